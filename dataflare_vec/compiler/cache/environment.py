"""What machine code depends on besides the user's program: this library, Numba, the processor."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from dataflare_vec.compiler.llvm import binding

#: Modules with functions for kernels, which these call by name.
KERNEL_MODULES = ("bits", "random", "text", "vectors")
# What writes loops, and reads what is stored about them. Its sources count, not its version, so that code of
# a checkout that is being worked on is never stale.
_SOURCES = (
    "_util/interrupts.py",
    "arrow",
    "compiler",
    "definition",
    "engine/stages",
    *(f"{name}.py" for name in KERNEL_MODULES),
)
_PACKAGES = (("numba", "_version.py"), ("llvmlite", "_version.py"), ("numpy", "version.py"))
_CPUINFO = Path("/proc/cpuinfo")
# What of a processor's description says which instructions it has, and which of them are fast.
_KIND = {
    "vendor_id", "cpu family", "model", "model name", "flags",  # x86
    "Features", "CPU implementer", "CPU architecture", "CPU variant", "CPU part",  # ARM
}  # fmt: skip


@cache
def environment() -> bytes:
    """Return a digest of the library's and the packages' versions, of Python, system and processor."""
    digest = hashlib.sha256()
    for part in (sys.version, platform.machine(), platform.system(), processor(), *_numba_settings()):
        digest.update(part.encode() + b"\0")
    for path in (*own_sources(), *_versions()):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def own_sources() -> list[Path]:
    """Return the files of this library that decide about machine code."""
    package = Path(__file__).parents[2]
    found = []
    for name in _SOURCES:
        path = package / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return found


def _versions() -> list[Path]:
    """Return files with the versions of packages, found without importing these."""
    found = []
    for package, file in _PACKAGES:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            msg = f"`{package}` isn't installed"
            raise LookupError(msg)
        found.append(Path(spec.origin).parent / file)
    return found


def _numba_settings() -> list[str]:
    """Return what Numba is told by the environment: variables, and a file that it reads on import."""
    found = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_")]
    file = Path(".numba_config.yaml")
    return [*found, file.read_text()] if file.exists() else found


def processor() -> str:
    """Return name and features of the processor."""
    lines = []
    with suppress(OSError), _CPUINFO.open() as file:
        for line in file:
            if not line.strip():  # the end of the first core; they are alike
                break
            if line.partition(":")[0].strip() in _KIND:
                lines.append(line)
    if not lines:
        llvm = binding()
        return f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"
    return "".join(lines)
