"""Libraries for other systems and processors: files of their formats, what is in them, and their wheels."""

from __future__ import annotations

import io
import math
import struct
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest
from built_list_kernels import BUILT_LISTS, FIXED
from polars.plugins import register_plugin_function

import dataflare_vec as dfv
from dataflare_vec.cli import main
from dataflare_vec.polars_plugin import functions, linker
from dataflare_vec.polars_plugin.targets import TARGETS, this_machine
from testing.oracle import plugin

HAS_ZIG = find_spec("ziglang") is not None
needs_zig = pytest.mark.skipif(not HAS_ZIG, reason="needs ziglang")


def turn(x, y, scale=2.0):
    if y > 100:
        raise ValueError("y is large")
    return math.sin(x * scale) + y // 3 if x > y else x


TURN = plugin(turn)
SCHEMA = {"x": pl.Float64, "y": pl.Int64}

#: Of ELF, Mach-O and COFF: how a file begins, and the number of its processor.
FORMATS = {
    "linux-x86_64": (b"\x7fELF", 18, 62),
    "linux-aarch64": (b"\x7fELF", 18, 183),
    "macos-arm64": (b"\xcf\xfa\xed\xfe", 4, 0x0C),
    "macos-x86_64": (b"\xcf\xfa\xed\xfe", 4, 0x07),
    "windows-x86_64": (None, 0, 0x8664),
}


def is_for(content, target):
    """Whether a file is of the target's format, and for its processor."""
    begin, at, processor = FORMATS[target]
    return content.startswith(begin or b"") and struct.unpack_from("<H", content, at) == (processor,)


@pytest.mark.parametrize("target", [name for name in TARGETS if name != this_machine()])
def test_objects(target):
    """LLVM writes them by itself, for all levels of the target and with what all systems have."""
    function = functions.compile_function(TURN, [{"x": pl.Float64(), "y": pl.Int64()}], TARGETS[target])
    (signature,) = function.signatures
    assert {loop.level for loop in signature.loops} == set(TARGETS[target].levels)
    lowest = [loop for loop in signature.loops if loop.level == TARGETS[target].lowest]
    assert sorted(loop.variant.label for loop in lowest) == ["000", "100", "101", "111"]
    for loop, file in signature.loops.items():
        assert is_for(file.code, target)
        assert signature.symbol(loop).encode() in file.code
        assert set(file.external) <= {"memcpy", "memset"}


#: Windows' libraries take `ziglang` some minutes, for its own part of the C library, once on a machine.
LINKED = [name for name in TARGETS if name not in (this_machine(), "windows-x86_64")]


@needs_zig
def test_the_runtime_compiles_for_windows(tmp_path):
    """Which takes seconds, where linking it for the first time takes minutes."""
    target = TARGETS["windows-x86_64"]
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-c"]
    for source in linker._RUNTIME.glob("*.c"):
        command = [sys.executable, "-m", "ziglang", "cc", "-target", target.zig, *flags, source]
        done = subprocess.run([*command, "-o", tmp_path / "made.obj"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert is_for((tmp_path / "made.obj").read_bytes(), target.name)


@pytest.fixture(scope="module", params=LINKED)
def library(request, tmp_path_factory):
    if not HAS_ZIG:
        pytest.skip("needs ziglang")
    return dfv.build(TURN, SCHEMA, output=tmp_path_factory.mktemp("library"), target=request.param)


def test_libraries(library):
    content = library.path.read_bytes()
    assert is_for(content, library.target)
    for symbol in (b"_polars_plugin_turn", b"_polars_plugin_field_turn", b"_polars_plugin_get_version"):
        assert symbol in content
    assert b"dfv_call" not in content  # only what Polars asks for is seen from outside
    assert library.path.suffix == ".so"


def test_wheels(library, tmp_path):
    wheel = library.write_wheel(tmp_path, version="1.0")
    tags = {
        "linux-aarch64": "manylinux_2_17_aarch64",
        "macos-arm64": "macosx_11_0_arm64",
        "macos-x86_64": "macosx_11_0_x86_64",
    }
    assert wheel.name == f"turn-1.0-py3-none-{tags[library.target]}.whl"
    with zipfile.ZipFile(wheel) as zipped:
        assert zipped.read("turn/turn-1.0.so") == library.path.read_bytes()
        assert f"Tag: py3-none-{tags[library.target]}" in zipped.read("turn-1.0.dist-info/WHEEL").decode()


def test_a_library_of_another_processor(library):
    with pytest.raises(dfv.BuildError) as caught:
        library.expr("turn", "x", "y")
    assert f"the library is for {library.target}, and this is {this_machine()}" in str(caught.value)
    by_hand = register_plugin_function(
        plugin_path=library.path, function_name="turn", args=["x", "y"], is_elementwise=True
    )
    lazy = pl.LazyFrame(schema=SCHEMA).select(by_hand)
    with pytest.raises(pl.exceptions.ComputeError, match="error loading dynamic library") as failed:
        lazy.collect_schema()
    assert library.path.name in str(failed.value)


def test_a_library_that_is_gone(tmp_path):
    library = dfv.build(TURN, SCHEMA, output=tmp_path)
    lazy = pl.LazyFrame({"x": [1.0], "y": [1]}).select(library.expr("turn", "x", "y"))
    plan = lazy.serialize()
    library.path.unlink()
    for engine in ("in-memory", "streaming"):
        with pytest.raises(pl.exceptions.ComputeError, match="error loading dynamic library") as caught:
            pl.LazyFrame.deserialize(io.BytesIO(plan)).collect(engine=engine)
        assert library.path.name in str(caught.value)
    with pytest.raises(dfv.BuildError, match="isn't there any more; build it again"):
        library.expr("turn", "x", "y")


@needs_zig
def test_command(tmp_path, capsys):
    arguments = ["build", "haversine", "--wheel", "--version", "1.0", "-o", str(tmp_path)]
    assert main([*arguments, "--target", "linux-x86_64,linux-aarch64"]) == 0
    out = capsys.readouterr().out
    assert out.count("haversine(") == 1
    wheels = {Path(line.partition(" ")[2]).name for line in out.splitlines() if line.startswith("and ")}
    assert {name.rpartition("_2_")[2].partition("_")[2] for name in wheels} == {"x86_64.whl", "aarch64.whl"}


def test_command_says_what_targets_there_are(tmp_path, capsys):
    assert main(["build", "haversine", "-o", str(tmp_path / "dist"), "--target", "linux-x86_64,macos"]) == 2
    assert "--target must be one of linux-x86_64, linux-aarch64, macos-arm64" in capsys.readouterr().err
    assert not (tmp_path / "dist").exists()


def test_references_are_counted_on_another_architecture():
    """LLVM has put this processor's own instruction for it into the code of Numba's that is built in."""
    (schema,) = BUILT_LISTS[FIXED]
    function = functions.compile_function(FIXED, [schema], TARGETS["linux-aarch64"])
    loops = function.signatures[0].loops.values()
    assert all(file.code.startswith(b"\x7fELF") for file in loops)
    assert not any(name.startswith("llvm.") for file in loops for name in file.external)
