"""Errors say what went wrong in fields; the message is made of them, and nobody has to read it."""

from __future__ import annotations

import ast
import copy
import inspect
import multiprocessing
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec import exceptions
from dataflare_vec._util import foreign_errors
from dataflare_vec._util.suggestions import Argument, Phrase
from dataflare_vec.cli.option_names import option
from dataflare_vec.engine.context.lifecycle import PluginStates

ERRORS = sorted(
    (each for each in vars(exceptions).values() if isinstance(each, type) and issubclass(each, Exception)),
    key=lambda each: each.__name__,
)
OURS = [each for each in ERRORS if issubclass(each, dfv.DataFlareError)]
named = pytest.mark.parametrize("kind", OURS, ids=lambda each: each.__name__)


@named
def test_fields_survive_pickling(kind):
    hint = Phrase("leave out ", Argument("by"))
    error = kind("it can't be", hint=hint)
    error.__notes__ = ["in the third step"]
    error.fill(plugin="ratio")
    assert error.args == (str(error),)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert vars(again).keys() == vars(error).keys()
        assert (str(again), repr(again), again.args) == (str(error), repr(error), error.args)
        assert again.__notes__ == ["in the third step"]
        assert again.message(option).endswith("; leave out --by")
    assert str(error).endswith("it can't be; leave out `by`")


@named
def test_made_anew_of_its_message_it_says_the_same(kind):
    """As Polars' eager engine does with what a function raises."""
    error = kind("it can't be", hint="try again")
    error.fill(plugin="ratio")
    assert str(kind(str(error))) == str(error)


@named
def test_the_docstring_lists_the_attributes(kind):
    section = inspect.cleandoc(kind.__doc__).partition("----------\n")[2].partition("\nExamples\n")[0]
    listed = re.findall(r"^([a-z_, ]+?)(?: : .*)?$", section, re.MULTILINE)
    names = {name for line in listed for name in line.split(", ")}
    assert names
    assert names <= vars(kind("x")).keys()
    own = kind.__dict__.get("__init__")
    if own is not None:
        assert inspect.signature(own).parameters.keys() - {"self", "cause"} <= names | {"problem"}


def test_each_class_is_public():
    assert {each.__name__ for each in ERRORS} <= set(dfv.__all__) | set(dir(dfv))


def failing(kind):
    @dfv.plugin
    def errors_ratio(a: float, b: float) -> float:
        if b == 0:
            raise ZeroDivisionError("no parts")
        return a / b

    frame = pl.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 0.0, 0.0], "s": ["x", "y", "z"]})
    if kind == "row":
        return frame.pipe(dfv.apply, errors_ratio)
    if kind == "column":
        return frame.drop("b").pipe(dfv.apply, errors_ratio)
    return frame.pipe(dfv.apply, errors_ratio, a="s")


def test_rows_that_failed():
    with pytest.raises(dfv.RowError) as caught:
        failing("row")
    error = caught.value
    assert (error.plugin, error.count, error.total, error.rows) == ("errors_ratio", 2, 3, (1, 2))
    assert error.reason == f"ZeroDivisionError: {error.__cause__}" == "ZeroDivisionError: no parts"
    assert str(error).endswith('; pass `on_error="null"` or `"drop"` to go on without them')
    assert error.message(option).endswith("; pass --on-error null or drop to go on without them")


def test_a_column_of_another_type():
    with pytest.raises(dfv.ColumnTypeError) as caught:
        failing("type")
    error = caught.value
    assert (error.plugin, error.parameter, error.column) == ("errors_ratio", "a", "s")
    assert (error.expected, error.got) == ("a number", "String")
    assert error.message(option).startswith(
        "plugin `errors_ratio`: column `s` must be a number, got String; "
    )
    assert error.hint == 'bind another one with `a="…"`, or convert it with `a=pl.col("…").cast(…)`'
    assert "bind another one with --set a=…, or convert it with --dtype s=…" in error.message(option)


def test_a_column_that_is_missing():
    with pytest.raises(dfv.ColumnNotFoundError) as caught:
        failing("column")
    error = caught.value
    assert (error.plugin, error.parameter, error.column) == ("errors_ratio", "b", "b")


def test_fields_come_out_of_another_process():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        with pytest.raises(dfv.ColumnNotFoundError) as caught:
            pool.submit(failing, "column").result()
    assert (caught.value.plugin, caught.value.column) == ("errors_ratio", "b")


def test_a_kernel_that_cant_be_compiled():
    @dfv.plugin
    def errors_middle(a: str) -> str:
        return a.center_it(3)

    with pytest.raises(dfv.KernelCompileError) as caught:
        pl.DataFrame({"a": ["x"]}).pipe(dfv.apply, errors_middle)
    error = caught.value
    assert (error.plugin, error.columns) == ("errors_middle", {"a": "String"})
    assert error.reason
    assert error.hint
    assert "a.center_it(3)" in "\n".join(error.excerpt)
    lines = str(error).splitlines()
    assert lines[-2:] == [f"  reason: {error.reason}", f"  try: {error.hint}"]


def test_a_file_and_its_row_group(tmp_path):
    path = tmp_path / "rows.parquet"
    frame = pl.DataFrame({"a": pl.arange(0, 3000, eager=True).cast(pl.Float64).shuffle(1)})
    frame.write_parquet(path, row_group_size=1000, compression="uncompressed")
    data = bytearray(path.read_bytes())
    data[12000:12400] = b"\xff" * 400
    path.write_bytes(bytes(data))

    @dfv.plugin
    def errors_twice(a: float) -> float:
        return 2 * a

    other = tmp_path / "other.parquet"
    frame.with_columns(pl.col("a").cast(str)).write_parquet(other)
    with pytest.raises(dfv.SourceError) as caught:
        dfv.stream([path, other], errors_twice)
    error = caught.value
    assert (error.file, error.column, error.expected, error.got) == (str(other), "a", "Float64", "String")
    with pytest.raises(dfv.SourceError) as caught:
        dfv.stream(tmp_path / "none.parquet", errors_twice)
    assert caught.value.file == str(tmp_path / "none.parquet")


def test_which_plugin_is_to_blame_is_no_matter_of_words():
    """A message may mention any plugin, its own words or those of a user's exception."""
    states = PluginStates()
    states.begin(["first", "second"])
    states.end(["first", "second"], dfv.KernelResultError("as plugin `first` does", plugin="second"))
    assert [states.get(name).value for name in ("first", "second")] == ["registered", "failed"]
    states.begin(["first", "second"])
    states.end(["first", "second"], LookupError("plugin `first`: not found"))
    assert [states.get(name).value for name in ("first", "second")] == ["registered", "failed"]


def test_what_polars_says_of_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("a\nä\n".encode("latin1") * 3)
    with pytest.raises(pl.exceptions.PolarsError) as caught:
        pl.scan_csv(path).collect()
    assert foreign_errors.is_not_utf8(caught.value)
    assert not foreign_errors.is_not_utf8(pl.exceptions.ComputeError("could not parse `x`"))


def test_what_polars_says_of_a_pipe_that_nobody_reads():
    class Left:
        def write(self, data):
            raise BrokenPipeError(32, "Broken pipe")

        def flush(self):
            pass

    with pytest.raises((OSError, pl.exceptions.PolarsError)) as caught:
        pl.LazyFrame({"a": [1]}).sink_csv(Left())
    assert foreign_errors.is_broken_pipe(caught.value)


def test_what_polars_puts_behind_what_is_wrong():
    with pytest.raises(pl.exceptions.ColumnNotFoundError) as caught:
        pl.LazyFrame({"a": [1]}).select(pl.col("a"), pl.col("b")).collect_schema()
    assert "Resolved plan" in str(caught.value)
    assert "Resolved plan" not in foreign_errors.without_context(caught.value)
    assert '"b"' in foreign_errors.without_context(caught.value)


#: Where messages of other libraries are read, or of Python to be said by compiled code: nowhere else.
EDGES = {
    "_util/foreign_errors.py",
    "compiler/jit/diagnostics/__init__.py",
    "compiler/jit/diagnostics/mistakes.py",
    "compiler/jit/types/messages.py",
}
_READS = ("in", "startswith", "endswith", "removeprefix", "removesuffix", "replace", "split", "partition")


def reads_of_messages(tree):
    """Calls and comparisons of `str(error)`, and uses of `error.args`, where `error` is caught."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler) or node.name is None:
            continue
        text = f"str({node.name})"
        for child in ast.walk(node):
            shown = ast.unparse(child)
            if isinstance(child, ast.Attribute) and shown == f"{node.name}.args":
                yield child
            if isinstance(child, ast.Attribute) and ast.unparse(child.value) == text and child.attr in _READS:
                yield child
            if isinstance(child, ast.Compare) and text in shown:
                yield child


def test_nobody_reads_a_message_to_decide():
    package = Path(dfv.__file__).parent
    found = [
        f"{path.relative_to(package)}:{node.lineno}"
        for path in package.rglob("*.py")
        if str(path.relative_to(package)) not in EDGES
        for node in reads_of_messages(ast.parse(path.read_text()))
    ]
    assert found == []
