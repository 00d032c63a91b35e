"""From bytecode to Numba's IR: imports within a function, of what is the same wherever this Python is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import ir
from numba.core.errors import UnsupportedBytecodeError

from dataflare_vec.compiler.jit.passes.shared_names import SharingInterpreter
from dataflare_vec.compiler.jit.passes.shown import ShownTracer
from dataflare_vec.definition.imports import member_of, module_named

if TYPE_CHECKING:
    from types import ModuleType


class ImportingTracer(ShownTracer):
    """Which values instructions take from Python's stack."""

    def op_IMPORT_NAME(self, state: Any, inst: Any) -> None:
        """Take from where and which names, and put the module there."""
        names, level = state.pop(), state.pop()
        module = state.make_temp()
        state.append(inst, level=level, names=names, module=module)
        state.push(module)

    def op_IMPORT_FROM(self, state: Any, inst: Any) -> None:
        """Put what the module has under a name there, and keep the module."""
        module = state.pop()
        state.push(module)
        found = state.make_temp()
        state.append(inst, module=module, found=found)
        state.push(found)


class ImportingInterpreter(SharingInterpreter):
    """What instructions are in Numba's IR: what is imported is named like a global."""

    def op_IMPORT_NAME(self, inst: Any, level: str, names: str, module: str) -> None:
        """Name the module: of ``import a.b`` the package, of ``from a.b import c`` the one within."""
        name = self.code_names[inst.arg]
        wanted = self.definitions[names][-1]
        # Names to be taken from it; a tuple is built of constants.
        is_whole = not isinstance(wanted, ir.Const) or wanted.value is not None
        try:
            if self.definitions[level][-1].value:
                raise ImportError(name)
            found = module_named(name, whole=is_whole)
        except ImportError:
            raise self._unknown(name) from None
        self.store(ir.Global(found.__name__, found, self.loc), module)

    def op_IMPORT_FROM(self, inst: Any, module: str, found: str) -> None:
        """Name what the module has."""
        name = self.code_names[inst.arg]
        try:
            value = member_of(self._imported(module), name)
        except ImportError:
            raise self._unknown(name) from None
        self.store(ir.Global(name, value, self.loc), found)

    def _imported(self, name: str) -> ModuleType:
        """Return the module that a variable stands for, or another one that it was copied from."""
        value = self.definitions[name][-1]
        return self._imported(value.name) if isinstance(value, ir.Var) else value.value

    def _unknown(self, name: str) -> UnsupportedBytecodeError:
        msg = f"Use of unsupported opcode (IMPORT_NAME) found: {name}"
        return UnsupportedBytecodeError(msg, loc=self.loc)
