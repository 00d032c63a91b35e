"""Names that are loaded when they are asked for are seen all the same: by completion, `help` and editors."""

from __future__ import annotations

import ast
import inspect
import pydoc
import re
import subprocess
import sys

import jedi
import pytest

import dataflare_vec as dfv

MODULES = {"bits", "duckdb", "prometheus", "random", "text", "vectors"}


def test_completion_shows_public_names_and_no_others():
    code = "import dataflare_vec as dfv; print(*dir(dfv)); print(*dfv.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown, public = (line.split() for line in done.stdout.splitlines())
    assert [name for name in shown if not name.startswith("__")] == sorted(public)
    assert "__version__" in shown


def test_help_shows_each():
    text = pydoc.render_doc(dfv, renderer=pydoc.plaintext)
    entries = set(re.findall(r"^    (?:class )?(\w+)", text, re.MULTILINE))
    assert set(dfv.__all__) <= entries
    assert entries.isdisjoint({"annotations", "import_module"})


def test_what_checkers_are_told_is_what_is_loaded():
    tree = ast.parse(inspect.getsource(dfv))
    block = next(one for one in tree.body if isinstance(one, ast.If) and one.test.id == "TYPE_CHECKING")
    told = {alias.asname or alias.name for one in block.body for alias in one.names}
    assert told == {*dfv.__all__, "__version__"}
    assert MODULES == {name for name in dfv.__all__ if inspect.ismodule(getattr(dfv, name))}


@pytest.fixture(scope="module")
def editor():
    return jedi.Script("import dataflare_vec as dfv\ndfv.")


def test_an_editor_completes_each(editor):
    assert set(dfv.__all__) <= {one.name for one in editor.complete(2, 4)}


@pytest.mark.parametrize("name", ["apply", "plugin", "BatchResult", "RowError", "stream", "vectors"])
def test_an_editor_shows_what_is_documented(name):
    found = jedi.Script(f"import dataflare_vec as dfv\ndfv.{name}").help(2, 6)
    summary = inspect.getdoc(getattr(dfv, name)).partition("\n")[0]
    assert any(summary in one.docstring() for one in found)
