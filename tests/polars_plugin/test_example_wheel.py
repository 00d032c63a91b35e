"""The example's wheel: built, installed where there is Polars only, and used there."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import polars as pl
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "city_rides"

# Polars is imported, and has run an expression: what comes on top is the plugin's.
START = """
import json, time
import polars as pl

rides = pl.DataFrame({"km": [10.0, 300.0, None], "minutes": [20, 30, 5]})

def timed(function):
    began = time.perf_counter()
    result = function()
    return (time.perf_counter() - began) * 1000, result

own, _ = timed(lambda: rides.select((pl.col("km") * 1.2 + pl.col("minutes") * 0.4 + 3.5).alias("price")))

def first():
    import city_rides
    return rides.select(city_rides.price("km", "minutes"))["price"].to_list()

took, prices = timed(first)
print(json.dumps([took - own, prices]))
"""

PRICES = [{"fare": 23.5, "tip": 3.52}, {"fare": 375.5, "tip": 56.32}, {"fare": None, "tip": None}]


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    name = run(sys.executable, EXAMPLE / "build.py", cwd=folder).strip()
    return folder / name


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """Return the Python of an environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    # The Polars that is tested here: any that satisfies the wheel would do.
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", wheel, f"polars=={pl.__version__}")
    return python


def test_an_environment_with_polars_only(wheel, python, tmp_path, capsys):
    listed = run(sys.executable, "-m", "pip", "--python", python, "list", "--format", "json")
    packages = {one["name"].replace("-", "_"): one["version"] for one in json.loads(listed)}
    starts = [json.loads(run(python, "-c", START, cwd=tmp_path)) for _ in range(3)]
    assert [prices for _, prices in starts] == [PRICES] * 3
    kilobytes, above = wheel.stat().st_size / 1000, min(took for took, _ in starts)
    installed = ", ".join(f"{name} {version}" for name, version in packages.items())
    with capsys.disabled():
        sys.stdout.write(f"\n{wheel.name}: {kilobytes:.0f} kB; beside it: {installed}\n")
        sys.stdout.write(f"import and first result: {above:.1f} ms above Polars' own expression\n")
    assert {name for name in packages if not name.startswith("polars_runtime")} == {"city_rides", "polars"}
    assert kilobytes < 150


def test_the_examples_own_tests(wheel, python, tmp_path):
    """In that environment, with this one's pytest."""
    programs = (EXAMPLE / "test_city_rides.py").read_text()
    (tmp_path / "test_city_rides.py").write_text(programs)
    site = Path(run(python, "-c", "import city_rides; print(city_rides.__file__)").strip()).parents[1]
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "test_city_rides.py"]
    out = run(*pytest_, cwd=tmp_path, env={"PYTHONPATH": str(site), "PATH": ""})
    assert "4 passed" in out
