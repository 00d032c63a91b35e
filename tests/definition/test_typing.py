"""Users' programs check under ``mypy --strict`` and pyright, which know what comes back."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dataflare_vec as dfv
from testing import pages

ROOT = Path(__file__).parents[2]
#: Programs as users write them.
SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
BLOCKS = pages.python_in(ROOT / "README.md")

#: Types of the README's functions, which it leaves out.
ANNOTATED = {
    "def fare(distance, minutes, base=2.5):": (
        "def fare(distance: float, minutes: float, base: float = 2.5) -> float:"
    ),
    "def square_feet(listing: str):": "def square_feet(listing: str) -> int | None:",
    "def spent(state, fare):": "def spent(state: float, fare: float) -> tuple[float, float]:",
}  # fmt: skip

#: Lines, and the type that mypy must reveal of the expression in each comment's place.
REVEALED = """
import io
from datetime import timedelta
from typing import Any, NamedTuple
import numba
import polars as pl
import dataflare_vec as dfv

@dfv.plugin
def bare(x: float, k: int = 2) -> float:
    return x * k

@dfv.plugin(name="other", replace=True, returns=pl.Float32, math="fast", lookback=1, fallback="python")
def called(x: tuple[float, float]) -> float | None:
    return x[0]

@dfv.filter
def kept(x: float) -> bool:
    return x > 0

@dfv.explode(empty="null")
def exploded(x: str) -> list[str]:
    return x.split()

@dfv.scan(init=0.0)
def scanned(s: float, x: float) -> tuple[float, float]:
    return s + x, s

@dfv.reduce(init=0.0, merge=lambda a, b: a + b, finish=lambda s: s)
def reduced(s: float, x: float) -> float:
    return s + x

@dfv.expression
def net(gross: pl.Expr, tax: pl.Expr) -> pl.Expr:
    return gross - tax

@dfv.column
def whole(x: Any) -> Any:
    return x

@dfv.plugin
@numba.njit
def compiled(x: float) -> float:
    return x

@dfv.plugin(replace=True)
@numba.njit(fastmath=True)
def fast(x: float) -> float:
    return x

@dfv.scan(init=0.0)
@numba.njit
def compiled_scan(s: float, x: float) -> tuple[float, float]:
    return s + x, s

df = pl.DataFrame({"x": [1.0]})
reveal_type(bare(1.0))  # float
reveal_type(bare(1.0, k=3))  # float
reveal_type(called((1.0, 2.0)))  # float | None
reveal_type(kept(1.0))  # bool
reveal_type(exploded("a b"))  # list[str]
reveal_type(scanned(0.0, 1.0))  # tuple[float, float]
reveal_type(reduced(0.0, 1.0))  # float
reveal_type(net(pl.col("a"), pl.col("b")))  # polars.expr.expr.Expr
reveal_type(compiled(1.0))  # Any
reveal_type(fast(1.0))  # float
reveal_type(compiled_scan(0.0, 1.0))  # Any
reveal_type(bare.name)  # str
reveal_type(dfv.register("name", lambda x: x))  # dataflare_vec.definition.plugin.Plugin
reveal_type(df.pipe(dfv.apply, "bare"))  # polars.dataframe.frame.DataFrame
reveal_type(df.pipe(dfv.apply, bare, k=3, output="o", keep=False))  # polars.dataframe.frame.DataFrame
reveal_type(df.pipe(dfv.apply, [bare, "kept", dfv.step(scanned, by="k")]))  # polars.dataframe.frame.DataFrame
reveal_type(df.lazy().pipe(dfv.apply, compiled, on_error="null"))  # polars.lazyframe.frame.LazyFrame
reveal_type(dfv.apply(df["x"], bare))  # polars.series.series.Series
reveal_type(dfv.apply(object(), bare))  # Any
reveal_type(df.pipe(dfv.run, bare, by="k"))  # dataflare_vec.engine.execution.result.BatchResult
reveal_type(dfv.expr(bare, "x", k=1).over("k"))  # polars.expr.expr.Expr
reveal_type(dfv.step(bare))  # dataflare_vec.engine.planning.steps.Step
reveal_type([frame for frame in dfv.stream([df], bare, max_latency=timedelta(seconds=1))])  # list[polars.dataframe.frame.DataFrame]
"""  # noqa: E501
WRONG = """
import polars as pl
import dataflare_vec as dfv

@dfv.plugin
def bare(x: float) -> float:
    return x

bare("text")  # arg-type
bare()  # call-arg
dfv.plugin(bare, nam="x")  # call-overload
pl.DataFrame().pipe(dfv.run, 5)  # arg-type
x: pl.LazyFrame = pl.DataFrame().pipe(dfv.apply, bare)  # assignment, arg-type
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the programs."""
    folder = tmp_path_factory.mktemp("typing")
    readme = "\n".join(BLOCKS)
    for plain, annotated in ANNOTATED.items():
        assert plain in readme
        readme = readme.replace(plain, annotated)
    names = "\n".join(f"reveal_type(dfv.{name})" for name in dfv.__all__)
    sources = {"readme.py": readme, "revealed.py": REVEALED, "wrong.py": WRONG}
    sources |= {path.name: path.read_text() for path in SCRIPTS}
    for name, source in sources.items():
        (folder / name).write_text(source)
    (folder / "names").mkdir()  # for pyright alone
    (folder / "names" / "names.py").write_text(f"import dataflare_vec as dfv\n{names}\n")
    return folder


@pytest.fixture(scope="module")
def checked(folder):
    """Return what mypy says of all programs, as lines, by file; it takes some ten seconds."""
    sources = sorted(path.name for path in folder.glob("*.py"))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--config-file=", *sources]
    command.append("--allow-redefinition")  # each block of the README has a `result` of its own
    paths = {"MYPYPATH": f"{ROOT}", "PATH": ""}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=paths)
    assert done.returncode in (0, 1), done.stderr
    lines = done.stdout.splitlines()
    return {name: [line for line in lines if line.startswith(f"{name}:")] for name in sources}


@pytest.fixture(scope="module")
def read_by_pyright(folder):
    """Return what pyright says of all programs, by file: line, severity, text."""
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT)]}
    settings["reportMissingTypeStubs"] = False  # PyArrow and pandas have no types
    settings["reportUnusedImport"] = False
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    said = {path.name: [] for path in folder.rglob("*.py")}
    for one in json.loads(done.stdout)["generalDiagnostics"]:
        line = one["range"]["start"]["line"] + 1
        said[Path(one["file"]).name].append((line, one["severity"], one["message"]))
    return said


@pytest.mark.parametrize("name", [path.name for path in SCRIPTS])
def test_a_script_checks_with_both(name, checked, read_by_pyright):
    assert checked[name] == []
    assert read_by_pyright[name] == []


def test_scripts_run(tmp_path):
    assert len(SCRIPTS) == 10
    program = f"import runpy\nfor path in {[str(path) for path in SCRIPTS]}:\n    runpy.run_path(path)\n"
    pages.run(program, tmp_path)


def test_pyright_knows_kinds_and_functions(read_by_pyright):
    revealed = {line: text for line, severity, text in read_by_pyright["revealed.py"] if severity != "error"}
    for number, source in enumerate(REVEALED.splitlines(), 1):
        if source.startswith("reveal_type"):
            expected = re.sub(r"(\w+\.)+(?=[A-Z])|polars\.\S+\.(?=\w+\b)", "", source.partition("  # ")[2])
            if expected != "Any":  # functions that Numba has compiled keep their types here
                assert revealed[number].endswith(f'is "{expected}"')


def test_pyright_knows_each_public_name(read_by_pyright):
    said = read_by_pyright["names.py"]
    assert [text for _, severity, text in said if severity == "error"] == []
    assert len(said) == len(dfv.__all__)
    assert [text for _, _, text in said if "Unknown" in text] == []


def test_pyright_tells_what_is_wrong(read_by_pyright):
    lines = {line for line, severity, _ in read_by_pyright["wrong.py"] if severity == "error"}
    assert lines == {number for number, line in enumerate(WRONG.splitlines(), 1) if "  # " in line}


def test_the_readme_is_strictly_typed(checked):
    assert checked["readme.py"] == []


def test_kinds_and_functions_are_known(checked):
    revealed = {}
    for line in checked["revealed.py"]:
        number, _, text = line.removeprefix("revealed.py:").partition(": ")
        assert "Revealed type" in text, line
        revealed[int(number)] = re.findall(r'"(.*)"', text)[0].replace("builtins.", "")
    expected = {
        number: line.partition("  # ")[2]
        for number, line in enumerate(REVEALED.splitlines(), 1)
        if line.startswith("reveal_type")
    }
    assert revealed == expected


def declared(tree, name):
    """Return the fields of a class that is there for type checkers only, those of its bases too."""
    node = next(one for one in ast.walk(tree) if isinstance(one, ast.ClassDef) and one.name == name)
    bases = [base.id for base in node.bases if base.id != "TypedDict"]
    own = {one.target.id for one in node.body if isinstance(one, ast.AnnAssign)}
    return own.union(*(declared(tree, base) for base in bases))


@pytest.mark.parametrize("name", ["plugin", "filter", "column", "scan", "reduce", "expression"])
def test_the_options_of_decorators_are_those_they_take(name):
    kinds = {"plugin": "Row", "filter": "Filter", "column": "Column", "expression": "Plugin"}
    tree = ast.parse((ROOT / "dataflare_vec/definition/signatures.py").read_text())
    takes = set(inspect.signature(getattr(dfv, name)).parameters)
    options = declared(tree, f"{kinds.get(name, 'State')}Options")
    assert options == takes - {"function", "init", "merge", "finish", "block"}


def test_the_overloads_of_apply_take_what_it_takes():
    tree = ast.parse((ROOT / "dataflare_vec/api/apply.py").read_text())
    functions = [one for one in tree.body if isinstance(one, ast.FunctionDef)]
    *overloads, _, apply = [one for one in functions if one.name == "apply"]
    for one in overloads:
        assert [arg.arg for arg in one.args.kwonlyargs] == [arg.arg for arg in apply.args.kwonlyargs]


def test_what_is_wrong_is_told(checked):
    for number, line in enumerate(WRONG.splitlines(), 1):
        codes = line.partition("  # ")[2].split(", ") if "  # " in line else []
        told = [one for one in checked["wrong.py"] if one.startswith(f"wrong.py:{number}: error")]
        assert bool(told) == bool(codes), (line, told)
        assert all(any(f"[{code}]" in one for code in codes) for one in told), told
