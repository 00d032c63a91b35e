"""A library needs Polars only; what it takes it gives back; threads share it."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.cli import main
from dataflare_vec.definition.registry import default_registry
from testing.oracle import plugin

ROWS = 5000


def share(part, whole, scale=1.0):
    if whole == 0:
        raise ZeroDivisionError("whole is 0")
    return scale * part / whole, part > whole


SHARE = plugin(share)

# Nothing of ours is imported, nor Numba, whatever is installed.
ALONE = """
import json, sys

for name in ("dataflare_vec", "numba", "llvmlite", "numpy", "pyarrow"):
    sys.modules[name] = None  # an import of it fails

import polars as pl
from polars.plugins import register_plugin_function

library, plan = sys.argv[1:]
expr = register_plugin_function(
    plugin_path=library, function_name="share", args=["a", "b"], kwargs={"scale": 2.0}, is_elementwise=True
)
frame = pl.LazyFrame({"a": [1.0, None, 3.0], "b": [2.0, 2.0, 1.0]}).select(expr.alias("it"))
print(json.dumps(frame.collect(engine="streaming")["it"].to_list()))
with open(plan, "rb") as file:
    print(json.dumps(pl.LazyFrame.deserialize(file).collect()["share"].to_list()))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return dfv.build(SHARE, output=tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module")
def frame():
    number = pl.int_range(ROWS, eager=True)
    return pl.DataFrame({"part": number * 0.5, "whole": number % 17 * 1.0}).with_columns(
        part=pl.when(number % 5 > 0).then("part")
    )


def test_polars_is_enough(library, tmp_path):
    lazy = pl.LazyFrame({"part": [1.0, 2.0], "whole": [4.0, 0.0]})
    plan = tmp_path / "plan.bin"
    plan.write_bytes(lazy.select(library.expr("share", "part", "whole", on_error="null")).serialize())
    done = subprocess.run(
        [sys.executable, "-c", ALONE, library.path, plan],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    by_hand, of_plan = map(json.loads, done.stdout.splitlines())
    one = {"share_0": 1.0, "share_1": False}
    assert by_hand == [one, dict.fromkeys(one), {"share_0": 6.0, "share_1": True}]
    assert of_plan == [{"share_0": 0.25, "share_1": False}, dict.fromkeys(one)]


def test_no_memory_is_lost(library, frame):
    """Calls that go well, fail, or are refused while the query is planned."""
    program = f"""
import resource
import polars as pl
from polars.plugins import register_plugin_function

def expr(how, *columns):
    return register_plugin_function(
        plugin_path={str(library.path)!r}, function_name="share", args=columns, kwargs={{"on_error": how}},
        is_elementwise=True,
    )

number = pl.int_range({ROWS}, eager=True)
frame = pl.DataFrame({{"part": number * 0.5, "whole": number % 17 * 1.0}}).with_columns(
    part=pl.when(number % 5 > 0).then("part"), text=pl.lit("a")
)

def calls(times):
    for _ in range(times):
        frame.select(expr("null", "part", "whole"))
        frame.select(expr("null", "part", pl.lit(2.0)))
        frame.select(expr("struct", "part", "whole"))
        for columns in (["part", "whole"], ["part", "text"]):
            try:
                frame.select(expr("raise", *columns))
            except pl.exceptions.ComputeError:
                pass
            else:
                raise AssertionError(columns)

calls(500)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
calls(2500)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    lost = int(done.stdout) * 1024
    assert lost < 2500 * ROWS  # a column alone that isn't given back, of bits even, would be more


def test_threads(library, frame):
    native = library.expr("share", "part", "whole", on_error="null")
    expected = frame.select(dfv.expr(SHARE, "part", "whole", on_error="null"))

    def run(start):
        same = [frame[start:].select(native).equals(expected[start:]) for _ in range(50)]
        with pytest.raises(
            pl.exceptions.ComputeError, match=f"row {-start % 17} of a batch of {ROWS - start} "
        ):
            frame.with_columns(part=1.0)[start:].select(library.expr("share", "part", "whole"))
        return all(same)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(8)))


def test_results_outlive_their_frames(library, frame):
    results = [frame.select(library.expr("share", "part", "whole", on_error="null")) for _ in range(3)]
    first = results[0].clone()
    for _ in range(20):
        frame.select(library.expr("share", "whole", "part", on_error="null"))
    assert all(result.equals(first) for result in results)


def test_the_same_library_again(library, tmp_path):
    again = dfv.build(SHARE, output=tmp_path)
    assert again.path.name.startswith("share-")
    assert again.path.suffix == ".so"


def test_this_machine_is_compiled_for_again(library):
    from numba.core.registry import cpu_target

    codegen = cpu_target.target_context.codegen()
    assert codegen._tm_features == codegen._customize_tm_features()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["kernels.py"], 0, "built_fare(distance: Float64, minutes: Int64)\nin "),
        (
            ["kernels.py", "--for", "built_fare=f64,f32; i8,date"],
            0,
            "built_fare(distance: Int8, minutes: Date)\n",
        ),
        (["kernels.py", "--for", "built_fare=f64"], 2, "reads 2 columns (distance, minutes), got 1 types"),
        (
            ["kernels.py", "--for", "fare=f64"],
            2,
            "--for: expected PLUGIN=TYPES for one of built_fare, got `fare=f64`",
        ),
        (["built_fare", "--plugins", "kernels.py", "--for", "f32,f32"], 0, "Float32, minutes: Float32)\n"),
        (["built_fare", "--plugins", "kernels.py", "--for", "null,f32"], 2, "column `distance` is Null"),
        (["empty.py"], 2, "`empty.py` registers no plugin"),
        (["nothing_is_called_so"], 2, "plugin `nothing_is_called_so` not found"),
        (["haversine", "--name", "earth"], 0, "dist/earth-"),
        (["kernels.py", "--wheel", "--version", "2.0"], 0, "dist/kernels-2.0-py3-none-manylinux"),
        (["kernels.py", "--wheel", "--name", "a-b"], 2, "--name must be a Python identifier"),
        (["kernels.py", "--wheel", "--version", "x"], 2, "--version must be a version such as 1.0.2"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_command(arguments, code, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.py").touch()
    (tmp_path / "kernels.py").write_text(
        "import dataflare_vec as dfv\n"
        "@dfv.plugin\n"
        "def built_fare(distance, minutes: int):\n"
        "    return distance\n".replace(
            "minutes: int", "minutes: int" if "--for" not in arguments else "minutes"
        )
    )
    assert main(["build", *arguments, "-o", "dist"]) == code
    out, error = capsys.readouterr()
    assert said in (error if code else out)
    assert len(list(tmp_path.glob("dist/*.so"))) == (code == 0)
    if "built_fare" in default_registry.own_names():
        default_registry.remove("built_fare")


FILE = """
import ast
import dataflare_vec as dfv

@dfv.plugin
def file_fare(distance):
    return distance * 2.0

@dfv.column
def file_ranks(distance):
    return distance

@dfv.plugin
def file_words(distance):
    return ast.literal_eval(str(distance))
"""


@pytest.fixture
def of_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_kernels.py").write_text(FILE)
    yield tmp_path
    for name in ("file_fare", "file_ranks", "file_words"):
        if name in default_registry.own_names():
            default_registry.remove(name)


def test_of_a_file_all_is_built_that_can_be(of_file, capsys):
    """The rest is named, each with its reason: one is of another form, one Numba doesn't compile."""
    assert main(["build", "own_kernels.py", "-o", "dist", "--wheel"]) == 1
    out, error = capsys.readouterr()
    assert out.startswith("file_fare(distance: Float64)\nin ")
    first, *second, last = error.splitlines()
    assert first.startswith(
        "dataflare-vec: plugin `file_ranks`: it can't be built into a native library: it is"
    )
    assert second[0].startswith("dataflare-vec: plugin `file_words` can't be compiled for the columns")
    assert last.startswith("dataflare-vec: all others are built")
    assert len(list(of_file.glob("dist/*"))) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["own_kernels.py", "--for", "file_words=f64"],
        ["file_fare", "file_ranks", "--plugins", "own_kernels.py"],
    ],
)
def test_what_is_named_has_to_be_built(of_file, arguments, capsys):
    assert main(["build", *arguments, "-o", "dist"]) == 2
    assert "can't be " in capsys.readouterr().err
    assert not (of_file / "dist").exists()


def test_a_file_of_which_nothing_can_be_built(of_file, capsys):
    (of_file / "own_kernels.py").write_text(FILE.replace("@dfv.plugin", "@dfv.column"))
    assert main(["build", "own_kernels.py", "-o", "dist"]) == 2
    assert capsys.readouterr().err.count("dataflare-vec: plugin `file_") == 3
    assert not (of_file / "dist").exists()
