"""`float` of a float of 32 bits: Python's have 64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types

from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.strings.base import helper


@helper
def _double(x):
    return np.float64(x)


@overlay(float, "x")
def _choose_float(x: Any = None) -> Any:
    return _double if x == types.float32 else None
