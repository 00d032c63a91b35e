"""The floats of a plain function, where neither Python's nor NumPy's are those of compiled code.

NumPy's follow IEEE 754, as compiled code does, but their own `round` multiplies, rounds and divides: 2.675 to
two digits is 2.68. Python's is the float next to the exact decimal, 2.67, and so is that of compiled code, in
single precision too. And a constant of NumPy's makes 64 bits of a Float32, one of Python's doesn't. What is
computed with these classes is slower.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

_ONE = ("neg", "pos", "abs")
_TWO = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
_COMPARISONS = ("lt", "le", "eq", "ne", "ge", "gt")


class Double(np.float64):
    """A float of 64 bits."""

    __slots__ = ()

    def __round__(self, ndigits: Any = None) -> Any:
        """Round as Python's float."""
        rounded = round(float(self), ndigits)
        return rounded if ndigits is None else Double(rounded)


class Single(np.float32):
    """A float of 32 bits."""

    __slots__ = ()

    def __round__(self, ndigits: Any = None) -> Any:
        """Round to the float of 32 bits next to what Python gives for the number."""
        rounded = round(float(self), ndigits)
        if ndigits is None:
            return rounded
        near = Single(rounded)
        if np.isinf(near) and not np.isinf(self):
            msg = "rounded value too large to represent"
            raise OverflowError(msg)
        return near

    def __trunc__(self) -> int:
        """Return the integer towards zero, which NumPy has no method for."""
        return int(self)


class Constant(float):
    """A float that takes the width of a number of NumPy's that it meets, and else follows IEEE 754."""

    __slots__ = ()

    __array_priority__ = 1.0  # NumPy's scalars and arrays leave operators to it
    __hash__ = float.__hash__

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        """Return quotient and remainder."""
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        """Return the quotient and remainder of another number by this."""
        return other // self, other % self


#: NumPy's class → the one that rounds as compiled code does.
KINDS: dict[Any, Any] = {np.float64: Double, np.float32: Single}


def _keep_kind(kind: type, name: str) -> None:
    """Let the results of an operator be of these classes too."""
    compute = getattr(kind.__mro__[1], name)

    def computed(*operands: Any) -> Any:
        result = compute(*operands)
        made = KINDS.get(type(result))
        return result if made is None else made(result)

    computed.__name__ = name
    setattr(kind, name, computed)


for _kind in (Double, Single):
    for _name in _ONE:
        _keep_kind(_kind, f"__{_name}__")
    for _name in _TWO:
        _keep_kind(_kind, f"__{_name}__")
        _keep_kind(_kind, f"__r{_name}__")


def _compute_with_constant(name: str) -> None:
    """Let a constant be an operator's operand."""
    function = getattr(operator, name)

    def compute(left: Any, right: Any, other: Any) -> Any:
        if isinstance(other, (np.generic, np.ndarray)):
            return function(left, right)
        if not isinstance(other, (int, float)):
            return NotImplemented
        return Constant(function(np.float64(left), right))

    setattr(Constant, f"__{name}__", lambda self, other: compute(float(self), other, other))
    setattr(Constant, f"__r{name}__", lambda self, other: compute(other, float(self), other))


def _compare_with_constant(name: str) -> None:
    function = getattr(operator, name)
    setattr(Constant, f"__{name}__", lambda self, other: function(float(self), other))


def _compute_of_constant(name: str) -> None:
    function = getattr(operator, name)
    setattr(Constant, f"__{name}__", lambda self: Constant(function(float(self))))


for _name in _TWO:
    _compute_with_constant(_name)
for _name in _COMPARISONS:
    _compare_with_constant(_name)
for _name in _ONE:
    _compute_of_constant(_name)
