"""On 64-bit ARM a library gives what `expr` gives here, bit for bit: in QEMU, with that system's Polars.

`.ci/aarch64` fetches QEMU and that system's Python and Polars, and says where they are:
``AARCH64_ROOT=$(.ci/aarch64) pytest tests/polars_plugin/test_aarch64.py``
"""

from __future__ import annotations

import io
import json
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest
from built_kernels import BUILT
from built_list_kernels import BUILT_LISTS
from built_struct_kernels import BUILT_STRUCTS, STATES, values_of
from built_text_kernels import BUILT_TEXT, drawn
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form
from dataflare_vec.polars_plugin.functions import registration
from testing.oracle import identical
from testing.stateful import SCANS
from testing.strategies import frames

ROOT = os.environ.get("AARCH64_ROOT", "")
pytestmark = pytest.mark.skipif(
    not ROOT or find_spec("ziglang") is None,
    reason="needs ziglang, and AARCH64_ROOT: what .ci/aarch64 prints",
)

ALL = {**BUILT, **BUILT_TEXT}
NESTED = {**BUILT_LISTS, **BUILT_STRUCTS}
FOLDS = {SCANS["track"]: [{"x": pl.Float64(), "y": pl.Float64()}], **STATES}
POINTS = ("lat1", "lon1", "lat2", "lon2")


class Machine:
    """That system's Python, which waits for requests."""

    def __init__(self):
        command = ["qemu-aarch64-static", "-L", f"{ROOT}/root", "-E", f"PYTHONPATH={ROOT}/site"]
        python = [f"{ROOT}/root/usr/bin/python3.11", "-S", Path(__file__).with_name("aarch64_server.py")]
        self.process = subprocess.Popen(
            [*command, *python],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"]},
        )

    def run(self, library, plugin, frame, *columns, **constants):
        """Return the result as a frame, or the text of the error."""
        content = io.BytesIO()
        frame.write_ipc(content)
        request = {
            "library": str(library.path),
            "plugin": plugin,
            "about": registration(library.plugins[plugin]),
            "columns": columns,
            "constants": constants,
            "bytes": len(content.getvalue()),
        }
        self.process.stdin.write(json.dumps(request).encode() + b"\n" + content.getvalue())
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        result = self.process.stdout.read(answer["bytes"])
        return answer["error"] or pl.read_ipc(io.BytesIO(result))


@pytest.fixture(scope="module")
def machine():
    machine = Machine()
    yield machine
    machine.process.stdin.close()
    machine.process.stdout.close()
    assert machine.process.wait(60) == 0


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    wanted = {**ALL, **NESTED, **FOLDS, "haversine": None}
    return dfv.build(wanted, output=folder, name="all", target="linux-aarch64")


def cases(plugins):
    found = [(plugin, schema) for plugin, schemas in plugins.items() for schema in schemas]
    ids = [f"{plugin.name}-{schema['x']}"[:40] for plugin, schema in found]
    return pytest.mark.parametrize(("plugin", "schema"), found, ids=ids)


@cases(ALL)
@settings(deadline=None)
@given(data=st.data())
def test_same_bits(machine, library, plugin, schema, data):
    frame = data.draw(frames(st.integers(0, 200), **{name: drawn(dtype) for name, dtype in schema.items()}))
    got = machine.run(library, plugin.name, frame, "x", "y", on_error="null")
    expected = frame.select(dfv.expr(plugin, "x", "y", on_error="null").alias("it"))
    assert not isinstance(got, str), got
    assert identical(got, expected)


def nested(data, schema):
    values = {name: (values_of(dtype), dtype) for name, dtype in schema.items()}
    return data.draw(frames(st.integers(0, 100), **values))


@cases(NESTED)
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_same_bits_of_lists_and_structs(machine, library, plugin, schema, data):
    frame = nested(data, schema)
    got = machine.run(library, plugin.name, frame, "x", "y", on_error="null")
    assert not isinstance(got, str), got
    assert identical(got, frame.select(dfv.expr(plugin, "x", "y", on_error="null").alias("it")))


@cases(FOLDS)
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_same_bits_of_states(machine, library, plugin, schema, data):
    frame = nested(data, schema)
    got = machine.run(library, plugin.name, frame, "x", "y", on_error="null")
    keep = {} if plugin.form is Form.REDUCE else {"keep": False}
    wanted = dfv.apply(frame, plugin, on_error="null", **keep)
    wanted = wanted.to_struct("it").to_frame() if wanted.width > 1 else wanted
    assert not isinstance(got, str), got
    assert identical(got, wanted.rename({wanted.columns[0]: "it"}))


def test_many_rows(machine, library):
    from testing.inputs import coordinates

    frame = coordinates(50_000)
    expected = frame.select(dfv.expr("haversine", *POINTS).alias("it"))
    assert identical(machine.run(library, "haversine", frame, *POINTS), expected)


def test_a_row_that_fails(machine, library):
    frame = pl.DataFrame({"x": [1.0, 2.0], "y": [1.0, 101.0]})
    error = machine.run(library, "half", frame, "x", "y")
    assert "plugin `half`: row 1 of a batch of 2 (x=2.0, y=101.0): ValueError: y is large" in error
    assert "it wasn't built for (x: String" in machine.run(library, "half", frame.cast(pl.String), "x", "y")
