"""Object code into memory: by ourselves where we can, elsewhere by LLVM."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dataflare_vec._util.interrupts import SYMBOL
from dataflare_vec.compiler.cache import elf
from dataflare_vec.compiler.kernel import MachineCode
from dataflare_vec.compiler.llvm import binding

#: What the symbols of tables begin with: whatever LLVM knows of one may be memory that is gone.
TABLE = "dfv.table."

#: Returns the address of something that isn't in the C library, of Numba's runtime or of ours; None if there
#: is no such thing.
Runtime = Callable[[str], "int | None"]


class ObjectCode(NamedTuple):
    """What LLVM has written for one function."""

    name: str
    code: bytes
    external: tuple[str, ...]  # names of what it refers to and doesn't hold

    def to_bytes(self) -> bytes:
        """Return it as the content of a file."""
        return b"\0".join([self.name.encode(), " ".join(self.external).encode(), self.code])

    @classmethod
    def from_bytes(cls, content: bytes) -> ObjectCode:
        """Return what `to_bytes` has written."""
        name, external, code = content.split(b"\0", 2)
        return cls(name.decode(), code, tuple(external.decode().split()))


def load(code: ObjectCode, runtime: Runtime) -> MachineCode:
    """Load an object file of this machine.

    Raises
    ------
    NotLoadable
        If it can't be loaded.
    """
    if elf.can_load():
        loaded = elf.load(code.code, code.name, runtime)
    else:
        loaded = load_with_llvm(code, runtime)
    return loaded._replace(looks=SYMBOL in code.external)


def load_with_llvm(code: ObjectCode, runtime: Runtime) -> MachineCode:
    """Load an object file on any machine that LLVM knows; takes the import of its binding, not Numba's."""
    llvm = binding()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for external in code.external:
        # Without an address LLVM would end the process.
        if external.startswith(TABLE) or not llvm.address_of_symbol(external):
            llvm.add_symbol(external, elf.resolve(external, runtime))
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    try:
        engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code.code))
        engine.finalize_object()
    except RuntimeError as error:
        raise elf.NotLoadable(str(error)) from None
    address = engine.get_function_address(code.name)
    if not address:
        msg = f"it has no function `{code.name}`"
        raise elf.NotLoadable(msg)
    return MachineCode(address, engine)
