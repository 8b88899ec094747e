"""Executes the example notebook, and looks at what it shows."""

import os
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbconvert")
pytest.importorskip("ipykernel")

NOTEBOOK = Path(__file__).parents[1] / "examples" / "first_estimate.ipynb"


def test_the_notebook_shows_a_trusted_estimate_as_html_and_its_traces(tmp_path):
    from nbconvert.exporters import HTMLExporter
    from nbconvert.preprocessors import ExecutePreprocessor

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    ExecutePreprocessor(timeout=600, kernel_name="python3").preprocess(notebook, {"metadata": {"path": str(tmp_path)}})
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    card = next(output.data["text/html"] for output in outputs if "λ̂ = <b>" in output.get("data", {}).get("text/html", ""))
    assert "trusted_at_scale" in card and "90 % interval" in card
    assert any("image/png" in output.get("data", {}) for output in outputs)
    page, _ = HTMLExporter().from_notebook_node(notebook)
    if folder := os.environ.get("LLC_NOTEBOOK_PAGE"):
        Path(folder).write_text(page)
    assert "trusted_at_scale</span>" in page
