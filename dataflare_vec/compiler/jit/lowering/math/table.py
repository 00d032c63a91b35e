"""The mathematical functions that a kernel may call, what computes them, and how exact that is.

Not here are those that may have to raise: Python's ``%`` and ``//``, left to Numba; `int`, `math.floor` and
their like, and powers of integers (`jit/exact`).

To add one: write it over `Value` in the file of its family, add a line to `FUNCTIONS`, and a line to the
oracles in `tests/compiler/jit/math/test_accuracy.py`.
"""

from __future__ import annotations

import builtins
import math
import operator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflare_vec.compiler.jit.lowering.math import (
    division,
    exponential,
    gamma,
    hyperbolic,
    power,
    rounding,
    special,
    trigonometric,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class MathFunction:
    """One function.

    Attributes
    ----------
    name
        Its standard name.
    body
        Writes it, over `Value` arguments; an angle function is also given the reduced angle.
    replaces
        What it stands for in a kernel.
    ulp64, ulp32
        Bound of the error in units in the last place, for f64 and f32; 0 is exact.
    arguments
        How many it has.
    returns
        ``"float"`` (the format of the arguments) or ``"bool"``.
    is_angle
        Whether its argument is an angle, to be reduced first.
    is_quotient
        Whether it divides its arguments, the first to be made smaller first where the quotient is large.
    takes
        What else is left to Numba: ``"numbers"`` (nothing), ``"floats"`` (integer arguments), ``"a float"``
        (where all arguments are integers), ``"power"`` (as ``**``, where an integer exponent doesn't widen a
        float32: we leave such to Numba), ``"power of an integer"`` (the same with a constant exponent).
    """

    name: str
    body: Callable[..., Any]
    replaces: tuple[Any, ...]
    ulp64: float = 1.0
    ulp32: float = 1.0
    arguments: int = 1
    returns: str = "float"
    is_angle: bool = False
    is_quotient: bool = False
    takes: str = "numbers"

    @property
    def is_guarded(self) -> bool:
        """Whether its guarded variant only reports some rare arguments (see `emit`)."""
        return self.is_angle or self.is_quotient


def _of(*names: str) -> tuple[Any, ...]:
    """Return functions by dotted name, those that this Python and NumPy have."""
    modules = {"math": math, "np": np, "operator": operator, "builtins": builtins}
    found = []
    for name in names:
        module, _, attribute = name.partition(".")
        function = getattr(modules[module], attribute, None)
        if function is not None:
            found.append(function)
    return tuple(found)


def _both(
    name: str, body: Callable[..., Any], bound: float = 1.0, *others: str, **about: Any
) -> MathFunction:
    names = _of(f"math.{name}", f"np.{name}", *others)
    return MathFunction(name, body, names, bound, bound, **about)


_e, _t, _r, _p, _h, _s, _d = exponential, trigonometric, rounding, power, hyperbolic, special, division
_g = gamma

#: Operators that are replaced like calls.
OPERATORS = (operator.pow, operator.ipow)

FUNCTIONS: tuple[MathFunction, ...] = (
    _both("exp", _e.exp),
    _both("exp2", _e.exp2),
    _both("expm1", _e.expm1),
    _both("log", _e.log),
    _both("log2", _e.log2),
    _both("log10", _e.log10),
    _both("log1p", _e.log1p),
    _both("sin", _t.sin, is_angle=True),
    _both("cos", _t.cos, is_angle=True),
    _both("tan", _t.tan, is_angle=True),
    _both("asin", _t.asin, 2.0, "np.arcsin"),
    _both("acos", _t.acos, 2.0, "np.arccos"),
    _both("atan", _t.atan, 2.0, "np.arctan"),
    _both("atan2", _t.atan2, 2.0, "np.arctan2", arguments=2),
    _both("degrees", _t.degrees, 2.0, "np.rad2deg"),
    _both("radians", _t.radians, 2.0, "np.deg2rad"),
    _both("sinh", _h.sinh, 2.0),
    _both("cosh", _h.cosh, 2.0),
    _both("tanh", _h.tanh, 1.0),
    _both("asinh", _h.asinh, 2.0, "np.arcsinh"),
    _both("acosh", _h.acosh, 2.0, "np.arccosh"),
    _both("atanh", _h.atanh, 2.0, "np.arctanh"),
    _both("erf", _s.erf, 1.5),
    _both("erfc", _s.erfc, 2.0),
    _both("gamma", _g.gamma, 1.0),
    _both("lgamma", _g.lgamma, 2.0),
    _both("cbrt", _s.cbrt, 1.0),
    _both("hypot", _s.hypot, 1.5, arguments=2),
    MathFunction("pow", _p.pow, _of("math.pow"), 2.0, 2.0, 2),
    MathFunction("power", _p.pow, (*OPERATORS, builtins.pow, np.power), 2.0, 2.0, 2, takes="power"),
    _both("sqrt", _r.sqrt, 0.5),
    MathFunction("fabs", _r.fabs, _of("math.fabs", "np.fabs"), 0.0, 0.0),
    MathFunction("abs", _r.fabs, (np.abs,), 0.0, 0.0, takes="floats"),
    _both("copysign", _r.copysign, 0.0, arguments=2),
    MathFunction("floor", _r.floor, (np.floor,), 0.0, 0.0, takes="floats"),
    MathFunction("ceil", _r.ceil, (np.ceil,), 0.0, 0.0, takes="floats"),
    MathFunction("trunc", _r.trunc, (np.trunc,), 0.0, 0.0, takes="floats"),
    MathFunction("rint", _r.rint, (np.rint, np.round, np.around), 0.0, 0.0, takes="floats"),
    MathFunction("fmod", _d.fmod, _of("math.fmod"), 0.0, 0.0, 2, is_quotient=True),
    MathFunction("np_fmod", _d.fmod, (np.fmod,), 0.0, 0.0, 2, is_quotient=True, takes="a float"),
    MathFunction("remainder", _d.remainder, _of("math.remainder"), 0.0, 0.0, 2, is_quotient=True),
    MathFunction("modulo", _d.modulo, (np.remainder,), 0.5, 0.5, 2, is_quotient=True, takes="a float"),
    _both("isnan", _r.isnan, 0.0, returns="bool"),
    _both("isinf", _r.isinf, 0.0, returns="bool"),
    _both("isfinite", _r.isfinite, 0.0, returns="bool"),
)

#: What a kernel calls → the function that replaces it.
REPLACED: dict[Any, MathFunction] = {item: f for f in FUNCTIONS for item in f.replaces}


@cache
def constant_power(function: MathFunction, exponent: float, kind: str) -> MathFunction | None:
    """Return what computes ``x ** exponent`` for a constant of type ``kind``; None where `pow` does best."""
    body: Callable[..., Any] | None = _p.root if exponent == 0.5 else None
    if float(exponent).is_integer():
        body = _p.integer_power(int(exponent))
    if body is None:
        return None
    takes = function.takes
    if takes == "power":
        takes = "power of an integer" if kind == "int" else "a float"
    name = f"{function.name}_{kind}_{exponent}".replace("-", "minus_")
    return MathFunction(name, body, (), 2.0, 2.0, 2, takes=takes)
