"""From bytecode to Numba's IR: values in f-strings, ``!s``, ``!r`` and ``!a``; sets by comprehension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import byteflow, interpreter, ir

from dataflare_vec.compiler.jit.lowering.strings.constants import IN_PLACE

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Of the argument of the instructions for f-strings: how a value is shown first, and whether it has a format.
_CONVERSION, _HAS_SPECIFICATION = 3, 4
_SHOWN = {1: str, 2: repr, 3: ascii}


class SetTracer(byteflow.TraceRunner):  # type: ignore[misc]
    """Which values instructions take from Python's stack."""

    def op_SET_ADD(self, state: Any, inst: Any) -> None:
        """Add to the set of a comprehension, which isn't the last value on the stack, as Numba has it."""
        value = state.pop()
        names = {name: state.make_temp() for name in ("addvar", "res")}
        state.append(inst, value=value, target=state.peek(inst.arg), **names)


class ShownTracer(SetTracer):
    """Which values instructions take from Python's stack."""

    def op_FORMAT_VALUE(self, state: Any, inst: Any) -> None:
        """Show a value of an f-string, in a format if there is one."""
        if inst.arg & _CONVERSION not in _SHOWN:
            super().op_FORMAT_VALUE(state, inst)
            return
        spec = state.pop() if inst.arg & _HAS_SPECIFICATION else None
        names = [state.make_temp() for _ in range(4 if spec else 2)]
        state.append(inst, value=state.pop(), spec=spec, names=names)
        state.push(names[-1])

    def op_CONVERT_VALUE(self, state: Any, inst: Any) -> None:
        """Show a value; from Python 3.13 on."""
        names = [state.make_temp() for _ in range(2)]
        state.append(inst, value=state.pop(), names=names)
        state.push(names[-1])


class ShownInterpreter(interpreter.Interpreter):  # type: ignore[misc]
    """What instructions are in Numba's IR."""

    def op_FORMAT_VALUE(
        self,
        inst: Any,
        value: str,
        res: str = "",
        strvar: str = "",
        spec: str | None = None,
        names: Sequence[str] = (),
    ) -> None:
        """Call what shows it."""
        if not names:
            self._call_built_in(str, (strvar, res), value, name=IN_PLACE)
            return
        self._call_built_in(_SHOWN[inst.arg & _CONVERSION], names[:2], value)
        if spec is not None:
            self._call_built_in(format, names[2:], names[1], spec)

    def op_CONVERT_VALUE(self, inst: Any, value: str, names: Sequence[str]) -> None:
        """Call what shows it."""
        self._call_built_in(_SHOWN[inst.arg], names, value)

    def _call_built_in(
        self, function: Any, names: Sequence[str], *arguments: str, name: str | None = None
    ) -> None:
        """Call a function; ``names`` are of the variables for the function and for its result."""
        self.store(ir.Global(name or function.__name__, function, loc=self.loc), names[0])
        given = tuple(map(self.get, arguments))
        self.store(ir.Expr.call(self.get(names[0]), given, (), loc=self.loc), names[1])
