"""Object code into memory: by ourselves where we can, elsewhere by LLVM."""

from __future__ import annotations

from dataflare_vec.cache import elf
from dataflare_vec.kernel import MachineCode


def load(code: bytes, name: str) -> MachineCode:
    """Load an object file of this machine.

    Parameters
    ----------
    code
        What LLVM has written.
    name
        Of the function to be called.

    Raises
    ------
    NotLoadable
        If it can't be loaded.
    """
    return elf.load(code, name) if elf.can_load() else load_with_llvm(code, name)


def load_with_llvm(code: bytes, name: str) -> MachineCode:
    """Load an object file on any machine that LLVM knows; takes the import of its binding, not Numba's."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    try:
        engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
        engine.finalize_object()
    except RuntimeError as error:
        raise elf.NotLoadable(str(error)) from None
    address = engine.get_function_address(name)
    if not address:
        msg = f"it has no function `{name}`"
        raise elf.NotLoadable(msg)
    return MachineCode(address, engine)
