"""What became of a kernel's loop: read out of its optimised LLVM IR and machine code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec.compiler.jit.codegen.loop_text import VECTOR, calls_in, rows_function
from dataflare_vec.compiler.jit.codegen.remarks import missed
from dataflare_vec.compiler.jit.lowering.strings.column import is_text
from dataflare_vec.compiler.jit.lowering.temporal.column import TemporalColumn
from dataflare_vec.compiler.jit.passes.speculation import has_cycle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflare_vec.compiler.jit.codegen.driver import CompiledKernel

_BITS = {"double": 64, "float": 32, "half": 16, "ptr": 64}
_VECTOR_STORE = re.compile(r"store <(\d+) x (?:double|float|i\d+)>")
# By anything but a constant.
_DIVISION = re.compile(r"= [su](?:div|rem) (?:exact )?[^,\n]+, (?!splat|-?\d)")


@by_public_name
@dataclass(frozen=True)
class LoopReport:
    """One loop of a kernel.

    Attributes
    ----------
    vectorised
        Whether it handles several rows at once.
    lanes, lane_bits
        How many rows an instruction handles, and the width of the widest type among them; 1 and 0 for a
        scalar loop.
    registers
        The kind of register it computes in: ``"zmm"``, ``"ymm"``, ``"xmm"``, ``"v"``, or ``""``.
    calls
        What it calls for each row.
    can_raise
        Whether the kernel may raise.
    branches_on_null
        Whether rows with nulls are jumped over, instead of computed and dropped.
    reasons
        Why it isn't vectorised, as something to act on.
    remarks
        LLVM's own words about that.
    """

    vectorised: bool
    lanes: int
    lane_bits: int
    registers: str
    calls: tuple[str, ...]
    can_raise: bool
    branches_on_null: bool
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def register_bits(self) -> int:
        """How many bits a register holds; 0 for a scalar loop."""
        return {"zmm": 512, "ymm": 256, "xmm": 128, "v": 128}.get(self.registers, 0)


def loop_report(kernel: CompiledKernel, *, nulls: bool) -> LoopReport:
    """Return what became of a kernel's fast loop; compiles it if need be."""
    module = kernel.llvm_ir(nulls=nulls)
    name, text = rows_function(module)
    own = kernel.library._final_module.get_function(kernel.symbol)
    calls, can_raise = calls_in(text), _can_raise(kernel, str(own))
    vectors = [block for block in _blocks(text) if _VECTOR_STORE.search(block)]
    # With a call or a division of integers LLVM may keep the rest in vectors, and take them apart for it.
    text_columns = any(map(is_text, [*(i.type for i in kernel.inputs), *(o.type for o in kernel.outputs)]))
    if calls or _DIVISION.search(text) or not vectors or text_columns:
        reasons = tuple(_reasons(text, calls, own, can_raise=can_raise))
        remarks = () if vectors else missed(module, name)
        if text_columns:
            reasons = ("it reads or writes strings of varying length",)
        branches = kernel.branches_on_null(nulls=nulls)
        return LoopReport(False, 1, 0, "", calls, can_raise, branches, reasons, remarks)
    bits = max(_bits(kind) for block in vectors for _, kind in VECTOR.findall(block))
    return LoopReport(
        vectorised=True,
        lanes=_lanes(bits, vectors),
        lane_bits=bits,
        registers=_registers(kernel.assembly(nulls=nulls), name),
        calls=calls,
        can_raise=can_raise,
        branches_on_null=kernel.branches_on_null(nulls=nulls),
    )


def _blocks(text: str) -> list[str]:
    return re.split(r"\n(?=[\w.]+:)", text)


def _bits(kind: str) -> int:
    return _BITS.get(kind) or int(kind[1:])


def _lanes(bits: int, blocks: Iterable[str]) -> int:
    """Return how many rows a vector of the widest type holds; one of a narrower type may hold more.

    A loop that LLVM adds for the last rows has shorter vectors.
    """
    each = ([int(n) for n, kind in VECTOR.findall(block) if _bits(kind) == bits] for block in blocks)
    return max(min(lanes) for lanes in each if lanes)


def _registers(assembly: str, name: str) -> str:
    _, _, text = assembly.partition(f"{name}:")
    if not text:
        _, _, text = assembly.partition(f'"{name}":')
    text = text.partition(".cfi_endproc")[0]
    for kind in ("zmm", "ymm", "xmm"):
        if re.search(rf"%{kind}\d", text):
            return kind
    return "v" if re.search(r"\bv\d+\.", text) else ""


def _can_raise(kernel: CompiledKernel, text: str) -> bool:
    """Whether the code refers to an exception, or a value may not fit its column or Python's class."""
    if re.search(r"@[\w.\"$]*picklebuf", text):
        return True
    if any(isinstance(item.type, TemporalColumn) and item.type.limits is not None for item in kernel.inputs):
        return True
    return any(
        getattr(output.type, "bitwidth", 64) < 64 and output.type.name.startswith(("int", "uint"))
        for output in kernel.outputs
    )


def _reasons(text: str, calls: tuple[str, ...], function: Any, *, can_raise: bool) -> list[str]:
    """Say what in a kernel keeps its loop scalar, the surest first."""
    found = []
    if calls:
        shown = ", ".join(f"`{name}`" for name in calls)
        found.append(
            f"it calls {shown} row by row; use a function that is computed in line (as `math.exp`), "
            "or write it as arithmetic"
        )
    if has_cycle(function):
        found.append(
            "there is a loop inside the kernel that runs a different number of times for each row; "
            "write out a fixed number of steps, or `range` with a constant"
        )
    if _DIVISION.search(text):
        found.append(
            "it divides integers (`//` or `%`), which no vector instruction does; divide floats, or by a "
            "constant"
        )
    if re.search(r"= load (?!.*\balign 1\b)(?:double|float|i\d+), ptr", text) and not calls:
        found.append("it reads memory by an index (an array or a tuple); use `if`/`else` on constants")
    if not found and can_raise:
        found.append(
            "it may raise, on a path that LLVM couldn't turn into a selection; check rows in a filter"
        )
    return found
