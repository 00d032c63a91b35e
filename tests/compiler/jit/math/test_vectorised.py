"""The loops are vector code: what the whole of it is for."""

from __future__ import annotations

import math
import platform
import re

import numpy as np
import pytest
from evaluate import compiled
from test_same_bits import NAMES, haversine, kernel_of

pytestmark = pytest.mark.usefixtures("usual_processor")

WORD = {"float64": "double", "float32": "float"}


@pytest.mark.parametrize("dtype", WORD)
@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("name", [*NAMES, "haversine"])
def test_loop_is_vectorised(name, nulls, dtype):
    if name == "exp2" and not hasattr(math, "exp2"):
        pytest.skip("math.exp2 is new in Python 3.11")
    kernel = compiled(haversine if name == "haversine" else kernel_of(name), np.zeros(1, dtype))
    ir = kernel.llvm_ir(nulls=nulls)
    blocks = re.split(r"\n(?=[\w.]+:)", ir)
    output = str(kernel.outputs[0].type)
    store = re.compile(rf"store <(\d+) x {WORD[output]}>")
    bodies = [block for block in blocks if store.search(block) and "llvm.loop" in block]
    assert bodies, "results are stored one by one"
    for body in bodies:
        # Nothing in the body is computed lane by lane.
        assert not re.search(r"call [^<]*@llvm\.(fma|fabs|sqrt|is\.fpclass|copysign)", body)
        assert int(store.search(body)[1]) * np.dtype(output).itemsize >= 16


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("processor", ["haswell", "skylake-avx512"])
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names processors of x86-64")
def test_columns_are_loaded_before_any_branch(processor, nulls, compile_for):
    """Not where the second one is known to be needed: behind the check whether the first is a small angle."""
    compile_for(processor)
    kernel = compiled(lambda x, y: math.sin(x) + math.cos(y), np.zeros(1), np.zeros(1))
    assert "masked.load" not in kernel.llvm_ir(nulls=nulls)
