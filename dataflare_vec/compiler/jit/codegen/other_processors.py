"""Compile for other processors than this one, into object files that a linker takes."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import compiler
from numba.core.registry import cpu_target
from numba.core.targetconfig import Option

from dataflare_vec.compiler.jit.codegen.driver import compile_lock
from dataflare_vec.compiler.jit.codegen.loop_library import uncalled_loops
from dataflare_vec.compiler.native.support import external_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A constant of Numba's with a pickled exception: (class, arguments, place).
_PICKLE = ".const.pickledata."
_BYTES = re.compile(r'c"(.*)"', re.DOTALL)
_ESCAPED = re.compile(rb"\\(\\|[0-9A-F]{2})")
_OWN_INSTRUCTIONS = ("llvm.x86.", "llvm.aarch64.")
# What LLVM makes of counting references where this process calls a function: it writes that into the IR. All
# processors of the architecture have it, and for others the runtime has a function.
_ATOMIC = re.compile(r"llvm\.(x86|aarch64)\.(atomic|(ld|st)[al]?xr)\.")
_COUNT_DOWN = "llvm.x86.atomic.sub.cc.i64"
COUNT_DOWN = "dfv_count_down"
_ARCHITECTURES = {"x86_64": "x86", "aarch64": "aarch64", "arm64": "aarch64"}
# Numba gives a message that is made at run time this class of its own, which knows how to make it.
_DIGEST = ".sha1"


@dataclass(frozen=True)
class Processor:
    """Processors that code is made for: all that have what is named here.

    Attributes
    ----------
    triple
        System and architecture, as LLVM names them.
    name
        A model of LLVM's, or a level of the architecture.
    features
        What the choice of instructions depends on elsewhere, as LLVM names it.
    """

    triple: str
    name: str
    features: str = ""

    @property
    def architecture(self) -> str:
        """What its own instructions are called by in IR."""
        return _ARCHITECTURES[self.triple.partition("-")[0]]

    def machine(self) -> Any:
        """Return what writes position-independent code for it."""
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        target = llvm.Target.from_triple(self.triple)
        return target.create_target_machine(cpu=self.name, opt=3, reloc="pic", codemodel="default")


#: Instructions that IR asks for by name, and the feature that a processor has them by.
_FEATURES = {"llvm.x86.bmi.bzhi.64": "+bmi2"}


class ObjectFile(NamedTuple):
    """A function as a linker takes it.

    Attributes
    ----------
    code
        The content of the file.
    external
        Names of what it refers to and doesn't hold.
    exceptions
        What it raises, as Numba has pickled them.
    """

    code: bytes
    external: tuple[str, ...]
    exceptions: tuple[bytes, ...]


@contextmanager
def compiling_for(processor: Processor) -> Iterator[None]:
    """Have Numba optimise for other processors, in this thread; others wait."""
    with compile_lock:
        codegen = cpu_target.target_context.codegen()
        before = codegen._tm, codegen._tm_features, compiler.Flags
        codegen._tm, codegen._tm_features = processor.machine(), processor.features
        compiler.Flags = _flags_for(processor)
        try:
            with uncalled_loops():
                yield
        finally:
            codegen._tm, codegen._tm_features, compiler.Flags = before


@cache
def _flags_for(processor: Processor) -> type[Any]:
    """Return Numba's options of a compilation, by which it knows again what it has compiled already.

    A method of strings that it has compiled for one processor looks at as many bytes at a time as that takes.
    """
    made_for = Option(type=str, default=processor.features, doc="What code is made for.")
    return type("Flags", (compiler.Flags,), {"__slots__": (), "made_for": made_for})


def write_object(library: Any, processor: Processor, name: str) -> ObjectFile:
    """Write the function that one of Numba's code libraries is called by, under another name.

    Nothing else is seen from outside: several of these go into one file.
    """
    module, machine = library._final_module.clone(), processor.machine()
    module.triple, module.data_layout = processor.triple, str(machine.target_data)
    for item in (*module.functions, *module.global_variables):
        if item.is_declaration:
            if item.name == _COUNT_DOWN and processor.architecture != "x86":
                item.name = COUNT_DOWN
            continue
        if item.name == library.name:
            item.name, item.visibility = name, "hidden"
        else:
            item.linkage = "internal"
    return ObjectFile(machine.emit_object(module), external_names(module), _exceptions(module))


def foreign_instructions(module: Any, processor: Processor) -> tuple[str, ...]:
    """Return which instructions a module asks for by name that not all of some processors have."""

    def has(name: str) -> bool:
        atomic = _ATOMIC.match(name)
        if atomic and (atomic[1] == processor.architecture or name == _COUNT_DOWN):
            return True
        return _FEATURES.get(name, "?") in processor.features.split(",")

    named = [one.name for one in module.functions if one.name.startswith(_OWN_INSTRUCTIONS)]
    return tuple(name for name in named if not has(name))


def write_tables(tables: Mapping[str, bytes], processor: Processor) -> bytes:
    """Write an object file that holds constants, by name."""
    module, machine = ir.Module(name="tables"), processor.machine()
    module.triple, module.data_layout = processor.triple, str(machine.target_data)
    for name, content in tables.items():
        value = ir.Constant(ir.ArrayType(ir.IntType(8), len(content)), bytearray(content))
        table = ir.GlobalVariable(module, value.type, name)
        table.initializer, table.global_constant, table.align = value, True, 64
    parsed = llvm.parse_assembly(str(module))
    for table in parsed.global_variables:
        table.visibility = "hidden"
    return bytes(machine.emit_object(parsed))


def _exceptions(module: Any) -> tuple[bytes, ...]:
    texts = [
        str(one)
        for one in module.global_variables
        if one.name.startswith(_PICKLE) and _DIGEST not in one.name
    ]
    return tuple(_unescaped(match[1]) for text in texts if (match := _BYTES.search(text)))


def _unescaped(text: str) -> bytes:
    r"""Return the bytes of a constant as LLVM writes it.

    Examples
    --------
    >>> _unescaped(r"a\00\22\\b")
    b'a\x00"\\b'
    """
    return _ESCAPED.sub(
        lambda found: found[1] if found[1] == b"\\" else bytes([int(found[1], 16)]), text.encode("latin-1")
    )
