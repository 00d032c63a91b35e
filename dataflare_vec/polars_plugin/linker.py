"""Put a library together: by the system's C compiler, else by `ziglang` from the package index."""

from __future__ import annotations

import os
import pickle
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dataflare_vec.compiler.cache.entry import digest
from dataflare_vec.compiler.cache.folder import open_folder
from dataflare_vec.exceptions import BuildError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.polars_plugin.targets import Target

_RUNTIME = Path(__file__).parent / "runtime"
_FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-fPIC", "-fvisibility=hidden", f"-I{_RUNTIME}")
#: Ending of a file of the cache: the object files of `runtime/`, by one compiler for one target.
_OBJECTS = ".objects"


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
        files = {f"{name}.o": code for name, code in objects.items()} | _runtime_objects(command)
        for name, code in files.items():
            (build / name).write_bytes(code)
        written = f"library{target.suffix}"
        _run([*command, *_FLAGS, "-shared", "tables.c", *files, "-o", written, *target.link], build)
        return (build / written).read_bytes()


def linked_by(command: Sequence[str]) -> str:
    """Return what tells a linker from others: how it is called, and which file that is."""
    spec = find_spec("ziglang") if "ziglang" in command else None
    file = Path(command[0] if spec is None or spec.origin is None else spec.origin)
    status = file.stat()
    return f"{shlex.join(command)} ({status.st_size} bytes of {status.st_mtime_ns})"


def runtime_sources() -> list[Path]:
    """Return the files that each library has the code of."""
    return sorted(_RUNTIME.glob("*.[ch]"))


def _runtime_objects(command: Sequence[str]) -> dict[str, bytes]:
    """Return the object files of `runtime/` by name; they are the same for all libraries of a target."""
    cached = open_folder()
    made_by = f"{linked_by(command)} {shlex.join(_FLAGS)}"
    key = digest(made_by.encode(), *(path.read_bytes() for path in runtime_sources())) + _OBJECTS
    content = None if cached is None else cached.read(key)
    if content is not None:
        found: dict[str, bytes] = pickle.loads(content)  # as safe as the folder is: it holds machine code
        return found
    with TemporaryDirectory(prefix="dataflare_vec-") as folder:
        made = {}
        for source in runtime_sources():
            if source.suffix == ".c":  # one by one: of several `zig` makes one, which is empty for macOS
                file = Path(folder) / f"{source.stem}.o"
                _run([*command, *_FLAGS, "-c", str(source), "-o", file.name], Path(folder))
                made[file.name] = file.read_bytes()
    if cached is not None:
        cached.write(key, pickle.dumps(made))
    return made


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        program = shlex.join(command).partition(f" {_FLAGS[0]} ")[0]
        msg = f"the linker `{program}` failed: {done.stderr.strip()[-2000:]}"
        raise BuildError(msg)
