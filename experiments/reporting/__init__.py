"""From records of runs to files and pictures.

A record is what one method gave with one seed:

    {"dataset": str, "model": str, "forget": str, "method": str, "seed": int,
     "figures": {FIGURE: number or null}, "config": {...}, "environment": {...}}

json_files   atomic writes; JSON without NaN
records      results.jsonl: append, read back, survive a crash; the environment
privacy      what of a configuration may be written down
definitions  the figures: names, order and meaning
summary      mean and standard deviation over seeds
main_table   how numbers are written, for the terminal and as Markdown
plots        one picture of a comparison
contents     what both reports tell
html         one page that needs nothing beside it
report       all of it into a folder
"""

from experiments.reporting.definitions import FIGURES, define
from experiments.reporting.html import write_html
from experiments.reporting.json_files import as_json, write_atomic, write_json_atomic
from experiments.reporting.main_table import markdown_table, rich_table
from experiments.reporting.plots import comparison_figure, write_comparison
from experiments.reporting.privacy import without_data
from experiments.reporting.records import append_record, environment, read_records
from experiments.reporting.report import write_report
from experiments.reporting.summary import summarise

__all__ = [
    "FIGURES",
    "append_record",
    "as_json",
    "comparison_figure",
    "define",
    "environment",
    "markdown_table",
    "read_records",
    "rich_table",
    "summarise",
    "without_data",
    "write_atomic",
    "write_comparison",
    "write_html",
    "write_json_atomic",
    "write_report",
]
