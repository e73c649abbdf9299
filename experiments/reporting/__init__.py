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
plots        one picture of a comparison; `inline` those of its page
report       all of it into a folder
"""
