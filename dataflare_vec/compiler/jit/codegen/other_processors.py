"""Compile for other processors than this one, into object files that a linker takes."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import llvmlite.binding as llvm
from numba.core.registry import cpu_target

from dataflare_vec.compiler.jit.codegen.driver import compile_lock
from dataflare_vec.compiler.native.support import external_names

if TYPE_CHECKING:
    from collections.abc import Iterator

# A constant of Numba's with a pickled exception: (class, arguments, place).
_PICKLE = ".const.pickledata."
_BYTES = re.compile(r'c"(.*)"', re.DOTALL)
_ESCAPED = re.compile(rb"\\([0-9A-F]{2})")
_OWN_INSTRUCTIONS = ("llvm.x86.", "llvm.aarch64.")
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

    def machine(self) -> Any:
        """Return what writes position-independent code for it."""
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        target = llvm.Target.from_triple(self.triple)
        return target.create_target_machine(cpu=self.name, opt=3, reloc="pic", codemodel="default")


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
        before = codegen._tm, codegen._tm_features
        codegen._tm, codegen._tm_features = processor.machine(), processor.features
        try:
            yield
        finally:
            codegen._tm, codegen._tm_features = before


def write_object(library: Any, processor: Processor, name: str) -> ObjectFile:
    """Write the function that one of Numba's code libraries is called by, under another name.

    Nothing else is seen from outside: several of these go into one file.
    """
    module, machine = library._final_module.clone(), processor.machine()
    module.triple, module.data_layout = processor.triple, str(machine.target_data)
    for item in (*module.functions, *module.global_variables):
        if item.is_declaration:
            continue
        if item.name == library.name:
            item.name, item.visibility = name, "hidden"
        else:
            item.linkage = "internal"
    return ObjectFile(machine.emit_object(module), external_names(module), _exceptions(module))


def uses_instructions_of(module: Any) -> tuple[str, ...]:
    """Return which of a processor's own instructions a module asks for by name."""
    return tuple(one.name for one in module.functions if one.name.startswith(_OWN_INSTRUCTIONS))


def _exceptions(module: Any) -> tuple[bytes, ...]:
    texts = [
        str(one)
        for one in module.global_variables
        if one.name.startswith(_PICKLE) and not one.name.endswith(_DIGEST)
    ]
    return tuple(_unescaped(match[1]) for text in texts if (match := _BYTES.search(text)))


def _unescaped(text: str) -> bytes:
    r"""Return the bytes of a constant as LLVM writes it.

    Examples
    --------
    >>> _unescaped(r"a\00\22b")
    b'a\x00"b'
    """
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), text.encode("latin-1"))
