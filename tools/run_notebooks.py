"""Runs notebooks and stores what they show.

    python tools/run_notebooks.py [notebooks/06_fast_kernel.ipynb …]; by default all

Charts are stored as pictures, so that they are seen wherever a notebook is read.
Needs ``dataflare_vec[test,bench]``.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import vl_convert

FOLDER = Path(__file__).parent.parent / "notebooks"


def picture(html: str) -> str | None:
    """Return the chart in an output of Altair as PNG in base64, or None if there is none."""
    if "vegaEmbed" not in html:
        return None
    spec, _ = json.JSONDecoder().raw_decode(html, html.rindex("})(") + 3)
    return base64.b64encode(vl_convert.vegalite_to_png(spec, scale=2)).decode()


def store(output: Any) -> None:
    """Replace a chart's script by a picture."""
    data = output.get("data", {})
    if png := picture(data.get("text/html", "")):
        del data["text/html"]
        data["image/png"] = png


def run(path: Path) -> None:
    """Run a notebook from top to bottom, in an empty folder, and write its outputs into it."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
        os.environ["DATAFLARE_VEC_CACHE_DIR"] = cache  # as for somebody who runs it for the first time
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the time of day: a difference in each commit
        for output in cell.get("outputs", ()):
            store(output)
    notebook.metadata.pop("language_info", None)
    nbformat.write(notebook, path)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(FOLDER.glob("*.ipynb")):
        run(Path(name))
