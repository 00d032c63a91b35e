"""``dataflare-vec cache``: how large the cache is, what is in it, and away with it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.formatting import size

if TYPE_CHECKING:
    from argparse import Namespace

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("cache", help="manage the compiled kernels on disk: size, list, clear")
    parser.add_argument(
        "action",
        nargs="?",
        choices=("size", "list", "clear"),
        default="size",
        help="total size (the default); each kernel, most recently used first; remove all",
    )
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print or remove what is in the cache; 1 if there is none."""
    from dataflare_vec.compiler.cache.entry import kept_kernels
    from dataflare_vec.compiler.cache.folder import VARIABLE_ENABLED, open_folder

    folder = open_folder()
    if folder is None:
        sys.stderr.write(
            f"dataflare-vec: no cache available (`{VARIABLE_ENABLED}=0`, or its folder was refused)\n"
        )
        return 1
    if options.action == "clear":
        sys.stdout.write(f"{size(folder.clear())} freed in {folder.path}\n")
        return 0
    kernels = kept_kernels(folder)
    if options.action == "list":
        for kernel in kernels:
            loops = "1 loop" if kernel.loops == 1 else f"{kernel.loops} loops"
            sys.stdout.write(f"{kernel.label}  {loops}, {size(kernel.size)}, used {_ago(kernel.used)} ago\n")
    total = sum(file.size for file in folder.files())
    count = "1 kernel" if len(kernels) == 1 else f"{len(kernels)} kernels"
    sys.stdout.write(f"{count}, {size(total)} of at most {size(folder.max_bytes)}, in {folder.path}\n")
    return 0


def _ago(moment: float) -> str:
    seconds = max(time.time() - moment, 0.0)
    for length, unit in _UNITS:
        count = int(seconds // length)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "0 seconds"
