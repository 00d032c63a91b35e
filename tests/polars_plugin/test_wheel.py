"""A wheel of a native library: a package of typed functions that needs Polars only."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form
from testing.oracle import plugin
from testing.stateful import stateful


def fare(distance, minutes, base=3.5, top=float("inf"), night=False, stops=-2):
    """Return the price of a ride.

    With "quotes", \"\"\"three\"\"\", and a back\\slash.
    """
    if distance < 0:
        raise ValueError("distance is negative")
    return min(base + 1.2 * distance + minutes * (2 if night else 1), top) - stops


def far(pl, _pl_, columns=100):
    """Return whether it is far; parameters are called like what the module has."""
    return pl + _pl_ > columns


def due(note, tag="a'\"", day=datetime.date(2020, 1, 2), rate=Decimal("0.50"), nothing=None):
    return note + tag, day, rate if nothing is None else -rate


def longest(most, distance):
    if distance < 0:
        raise ValueError("distance is negative")
    return max(most, distance)


def gap(distance):
    return distance[0] - distance[-1]


ROWS = {"distance": [1.0, None, -1.0], "minutes": [1, 2, 3]}
BUILT = {
    plugin(fare): {"distance": pl.Float64, "minutes": pl.Int64},
    plugin(far, "filter"): None,
    plugin(due): {"note": pl.String},
    stateful(longest, Form.REDUCE, init=0.0): None,
    plugin(gap, lookback=1): None,
}

PROGRAM = """
import datetime, decimal, json, sys
for name in ("dataflare_vec", "numba", "llvmlite", "numpy", "pyarrow"):
    sys.modules[name] = None  # an import of it fails
import polars as pl
import rides

frame = pl.DataFrame({"distance": [1.0, None, -1.0], "minutes": [1, 2, 3]})
by_default = rides.fare("distance", pl.col("minutes"), on_error="null")
of_numbers = rides.fare("distance", 7, base=2, top=5.5, night=True, stops=0, on_error="null")
print(json.dumps(frame.select(by_default, of_numbers.alias("numbers")).to_dict(as_series=False)))
print(frame.filter(rides.far("distance", 100)).height, rides.fare.__doc__.splitlines()[2].strip())
whole = frame.select(rides.longest("distance", on_error="struct"), rides.gap(pl.col("minutes") * 1.0))
print(json.dumps(whole.to_dict(as_series=False)))
for function in (rides.longest, rides.gap, rides.far):
    print("sees all rows at once" in function.__doc__, "is passed over" in function.__doc__)
try:
    frame.select(rides.fare("minutes", "minutes"))
except pl.exceptions.ComputeError as error:
    print("wasn't built for" in str(error))
print(pl.DataFrame({"note": ["b"]}).select(rides.due("note")).row(0)[0])
print(pl.select(rides.due(pl.lit("c"), day=datetime.date(1, 1, 1), rate=decimal.Decimal("0.25"))).row(0)[0])
"""

TYPED = """
import polars as pl
import datetime
from rides import due, far, fare, gap, longest

due("note", day=datetime.date(2020, 1, 1), tag="b")
due("note", tag=b"b")
it: pl.Expr = fare("distance", 2.5, base=1, on_error="null").alias("it")
fare("distance", "minutes", on_error="drop")
fare("distance", "minutes", nothing=1)
far(pl.col("a"), [1])
gap(1.0)
gap("a")
longest("a", on_error="struct")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return dfv.build(BUILT, output=tmp_path_factory.mktemp("library"), name="rides")


@pytest.fixture(scope="module")
def wheel(library, tmp_path_factory):
    return library.write_wheel(tmp_path_factory.mktemp("wheel"), version="1.2.0")


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--target",
        folder,
        wheel,
    ]
    subprocess.run(pip, check=True, capture_output=True)
    return folder


def test_polars_is_enough(installed):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, cwd=installed
    )
    values, filtered, whole, *documented, refused, one_due, other_due = done.stdout.splitlines()
    frame = pl.DataFrame(ROWS)
    fare_of, *_ = BUILT
    expected = frame.select(
        dfv.expr(fare_of, "distance", "minutes", on_error="null"),
        dfv.expr(fare_of, "distance", pl.lit(7), base=2, top=5.5, night=True, stops=0, on_error="null").alias(
            "numbers"
        ),
    )
    assert json.loads(values) == expected.to_dict(as_series=False)
    assert filtered == '1 With "quotes", """three""", and a back\\slash.'
    failed = (
        f"row 2: ValueError: distance is negative (test_wheel.py, line {longest.__code__.co_firstlineno + 2})"
    )
    assert json.loads(whole) == {
        "longest": [{"value": 1.0, "error": failed}] * 3,
        "gap": [None, 1.0, 1.0],
    }
    assert documented == ["True True", "True False", "False False"]
    assert refused == "True"
    first = {"due_0": "ba'\"", "due_1": datetime.date(2020, 1, 2), "due_2": Decimal("0.50")}
    second = {"due_0": "ca'\"", "due_1": datetime.date(1, 1, 1), "due_2": Decimal("0.25")}
    assert [one_due, other_due] == [str(first), str(second)]


def test_an_old_polars_is_named(installed):
    program = "import polars, sys; sys.modules['polars.plugins'] = None; import rides"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=installed)
    assert f"ImportError: rides needs polars>=0.20.16, this is {pl.__version__}" in done.stderr


def test_functions_are_typed(installed, tmp_path):
    (tmp_path / "use.py").write_text(TYPED)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", "use.py"]
    done = subprocess.run(
        mypy, capture_output=True, text=True, cwd=tmp_path, env={"MYPYPATH": str(installed), "PATH": ""}
    )
    lines = [int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error: " in line]
    assert lines == [7, 9, 10, 11, 12], done.stdout


def test_what_is_in_it(library, wheel):
    assert wheel.name.startswith("rides-1.2.0-py3-none-manylinux_2_")
    assert wheel.stat().st_size < 100_000
    with zipfile.ZipFile(wheel) as zipped:
        about = "rides-1.2.0.dist-info"
        assert set(zipped.namelist()) == {
            "rides/__init__.py",
            "rides/py.typed",
            "rides/rides-1.2.0.so",
            f"{about}/METADATA",
            f"{about}/WHEEL",
            f"{about}/RECORD",
        }
        metadata = zipped.read(f"{about}/METADATA").decode().splitlines()
    assert [line for line in metadata if line.startswith("Requires-Dist")] == [
        "Requires-Dist: polars>=0.20.16"
    ]


def test_the_same_content_is_the_same_wheel(library, wheel, tmp_path):
    again = library.write_wheel(tmp_path / "a" / "b", version="1.2.0")
    assert (again.name, again.read_bytes()) == (wheel.name, wheel.read_bytes())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "my-rides"}, "`name` must be a Python identifier of ASCII letters"),
        ({"name": "class"}, "`name` must be a Python identifier of ASCII letters"),
        ({"version": "one"}, "`version` must be a version such as 1.0.2, got 'one'"),
    ],
)
def test_wrong_names(library, arguments, message, tmp_path):
    with pytest.raises(dfv.ArgumentError) as caught:
        library.write_wheel(tmp_path / "out", **arguments)
    assert str(caught.value).startswith(message)
    assert not Path(tmp_path / "out").exists()
