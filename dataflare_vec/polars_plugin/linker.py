"""Put a library together: by the system's C compiler, else by `ziglang` from the package index."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dataflare_vec.exceptions import BuildError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping

_RUNTIME = Path(__file__).parent / "runtime"
_FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-fPIC", "-fvisibility=hidden", "-shared", "-s")
# What is missing is said when the library is built, not when it is loaded; and what is the same has one name.
_LINKER_FLAGS = ("-Wl,--no-undefined", "-Wl,--build-id=none")
# Runs on systems with a C library of 2014 or later, whatever the machine at hand has.
_ZIG_TARGET = "x86_64-linux-gnu.2.19"


def check_machine() -> None:
    """Raise if no library can be built on a machine like this.

    Raises
    ------
    BuildError
        Naming those on which it can.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        got = f"{sys.platform} on {platform.machine()}"
        msg = f"native libraries can be built on Linux on x86_64 yet, this is {got}"
        raise BuildError(msg, expected="linux on x86_64", got=got)


def linker() -> list[str]:
    """Return the command that compiles C and links.

    Raises
    ------
    MissingDependencyError
        If there is none.
    """
    for name, *arguments in filter(None, (shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"])):
        found = shutil.which(name)
        if found:
            return [found, *arguments]
    if find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", "-target", _ZIG_TARGET]
    msg = (
        "a native library needs a linker: there is no C compiler (`cc`, `gcc`, `clang`, or what CC names), "
        "and `ziglang` isn't installed"
    )
    hint = 'python -m pip install "dataflare_vec[build]"'
    raise MissingDependencyError(msg, library="ziglang", extra="build", hint=hint)


def link(tables: str, objects: Mapping[str, bytes], command: list[str]) -> bytes:
    """Return a library.

    Parameters
    ----------
    tables
        C that describes what is in it.
    objects
        Object files by name.
    command
        What links.

    Raises
    ------
    BuildError
        With what the linker says.
    """
    with TemporaryDirectory(prefix="dataflare_vec-") as folder:
        build = Path(folder)
        (build / "tables.c").write_text(tables, encoding="ascii")
        for name, code in objects.items():
            (build / f"{name}.o").write_bytes(code)
        sources = ["tables.c", *(f"{name}.o" for name in objects), *map(str, sorted(_RUNTIME.glob("*.c")))]
        arguments = [*command, *_FLAGS, f"-I{_RUNTIME}", *sources, "-o", "library.so", *_LINKER_FLAGS]
        done = subprocess.run([*arguments, "-lm", "-lpthread"], cwd=build, capture_output=True, text=True)
        if done.returncode:
            msg = f"the linker `{' '.join(command)}` failed: {done.stderr.strip()[-2000:]}"
            raise BuildError(msg)
        return (build / "library.so").read_bytes()
