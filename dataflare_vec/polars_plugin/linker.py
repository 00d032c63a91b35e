"""Put a library together: by the system's C compiler, else by `ziglang` from the package index."""

from __future__ import annotations

import os
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

    from dataflare_vec.polars_plugin.targets import Target

_RUNTIME = Path(__file__).parent / "runtime"
_FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-fPIC", "-fvisibility=hidden", "-shared")


def linker(target: Target) -> list[str]:
    """Return the command that compiles C and links.

    Raises
    ------
    MissingDependencyError
        If there is none.
    """
    if target.is_here:
        named = shlex.split(os.environ.get("CC", ""))
        for name, *arguments in filter(None, (named, ["cc"], ["gcc"], ["clang"])):
            found = shutil.which(name)
            if found:
                return [found, *arguments]
    if find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", "-target", target.zig]
    msg = (
        "a native library needs a linker: there is no C compiler (`cc`, `gcc`, `clang`, or what CC names), "
        "and `ziglang` isn't installed"
        if target.is_here
        else f"a native library for {target.name} is linked by `ziglang`, which isn't installed"
    )
    hint = 'python -m pip install "dataflare_vec[build]"'
    raise MissingDependencyError(msg, library="ziglang", extra="build", hint=hint)


def link(tables: str, objects: Mapping[str, bytes], command: list[str], target: Target) -> bytes:
    """Return a library.

    Parameters
    ----------
    tables
        C that describes what is in it.
    objects
        Object files by name.
    command
        What links.
    target
        What it is linked for.

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
        written = f"library{target.suffix}"
        arguments = [*command, *_FLAGS, f"-I{_RUNTIME}", *sources, "-o", written, *target.link]
        done = subprocess.run(arguments, cwd=build, capture_output=True, text=True)
        if done.returncode:
            msg = f"the linker `{' '.join(command)}` failed: {done.stderr.strip()[-2000:]}"
            raise BuildError(msg)
        return (build / written).read_bytes()
