"""partition and rpartition."""

from __future__ import annotations

from dataflare_vec.compiler.jit.lowering.strings.base import method, part
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.lowering.strings.memory import find_bytes, find_last_bytes


@method("partition", data=True)
def _partition(view, sep):
    if not comparable(view, sep):
        return None

    def partition(view, sep):
        if sep._nbytes == 0:
            raise ValueError("empty separator")
        found = find_bytes(view._data, 0, view._nbytes, sep._data, sep._nbytes)
        end = view._nbytes
        if found < 0:
            return view, part(view, end, end), part(view, end, end)
        behind = found + sep._nbytes
        return part(view, 0, found), part(view, found, behind), part(view, behind, end)

    return partition


@method("rpartition", data=True)
def _rpartition(view, sep):
    if not comparable(view, sep):
        return None

    def rpartition(view, sep):
        if sep._nbytes == 0:
            raise ValueError("empty separator")
        found = find_last_bytes(view._data, 0, view._nbytes, sep._data, sep._nbytes)
        if found < 0:
            return part(view, 0, 0), part(view, 0, 0), view
        behind = found + sep._nbytes
        return part(view, 0, found), part(view, found, behind), part(view, behind, view._nbytes)

    return rpartition
