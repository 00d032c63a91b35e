"""The floats of a plain function that rounds: NumPy's, with Python's `round`.

NumPy's follow IEEE 754, as compiled code does, but their own `round` multiplies, rounds and divides: 2.675 to
two digits is 2.68. Python's is the float next to the exact decimal, 2.67, and so is that of compiled code, in
single precision too. What is computed with these classes is slower.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_ONE = ("neg", "pos", "abs")
_TWO = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")


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
