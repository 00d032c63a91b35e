"""Compiled loops that go along with work, so that workers needn't compile them.

They are files of the cache of compiled kernels, whose names are digests of all that they depend on: kernel,
dtypes, versions of the libraries, processor. On a worker that differs in any of these nobody asks for them,
and it compiles its own, once for its machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflare_vec.compiler.cache.entry import KERNEL
from dataflare_vec.compiler.cache.folder import open_folder
from dataflare_vec.compiler.native import columns
from dataflare_vec.compiler.native.fused_loop import fused_loop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflare_vec.compiler.cache.folder import File
    from dataflare_vec.engine.planning.plan import Plan

#: Bytes of loops that go along at most: they go with each task.
_MOST = 2 << 20

#: In the names of loops that most calls need.
_OURS = ".dfv."

#: Files that this process has seen in its cache.
_seen: set[str] = set()


def compiled_loops(plan: Plan) -> dict[str, bytes]:
    """Compile all loops of a plan's kernels, and return the files of the cache that hold them.

    With them go those that are part of no kernel: other loops call them.
    """
    kernels = [kernel for stage in plan.stages if (kernel := getattr(stage, "kernel", None)) is not None]
    for kernel in kernels:
        kernel.make_all()
    fused_loop()
    columns.functions()
    # What isn't kept depends on something that has no name.
    keys = {entry.key for kernel in kernels if (entry := getattr(kernel, "entry", None)) is not None}
    folder = open_folder()
    if folder is None or not keys:
        return {}
    files = sorted(folder.files(), key=lambda file: (_OURS not in file.path.name, -file.used))
    others = {_key(file) for file in files if file.path.name.endswith(KERNEL)} - keys
    wanted = [file for file in files if _key(file) in keys]
    # Of those of no kernel ours first, then what was used last: what these kernels call is among them.
    wanted += [file for file in files if _key(file) not in others | keys]
    loops: dict[str, bytes] = {}
    left = _MOST
    for file in wanted:
        content = folder.read(file.path.name, touch=False) if file.size <= left else None
        if content is not None:
            loops[file.path.name] = content
            left -= file.size
    _seen.update(loops)
    return loops


def _key(file: File) -> str:
    return file.path.name.partition(".")[0]


def keep(loops: Mapping[str, bytes]) -> None:
    """Put compiled loops into this machine's cache, where they aren't there yet."""
    unknown = loops.keys() - _seen
    folder = open_folder() if unknown else None
    if folder is None:
        return
    there = {file.path.name for file in folder.files()}
    for name in sorted(unknown):
        if name in there or folder.write(name, loops[name]):
            _seen.add(name)
