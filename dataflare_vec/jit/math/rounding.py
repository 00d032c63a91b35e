"""Functions that are one LLVM instruction, or a test of bits. All are exact."""

from __future__ import annotations

import math

from dataflare_vec.jit.math import values as v
from dataflare_vec.jit.math.values import Value

sqrt = v.sqrt
floor = v.floor
ceil = v.ceil
trunc = v.trunc
rint = v.rint
fabs = v.fabs
copysign = v.copysign
isnan = v.is_nan
isfinite = v.is_finite


def isinf(x: Value) -> Value:
    """Whether x is ±infinity."""
    return v.fabs(x) == math.inf
