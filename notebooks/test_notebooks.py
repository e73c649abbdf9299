"""Runs the notebooks from top to bottom, one at a time: `pip install ".[notebooks,test]"`, then `pytest notebooks`.

Their cells assert what they claim. What they print is not compared: seconds differ, and so do last digits. Nothing is written.
"""

from pathlib import Path

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))  # the package beside the notebooks, not another one that is installed
    notebook = nbformat.read(path, as_version=4)
    # A kernel of this interpreter, whatever is installed beside it.
    client = nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    warnings = [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    assert not warnings
