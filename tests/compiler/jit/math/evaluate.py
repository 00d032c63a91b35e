"""Run a compiled loop over NumPy arrays, as the engine does over Arrow's."""

from __future__ import annotations

from array import array

import numpy as np
from numba.core import types

from dataflare_vec.compiler.jit.codegen.driver import CompiledKernel, compile_kernel
from dataflare_vec.compiler.jit.codegen.loops import Input

TYPES = {
    "float64": types.float64,
    "float32": types.float32,
    "int64": types.int64,
    "int32": types.int32,
}


def compiled(function, *columns, math="precise") -> CompiledKernel:
    inputs = [Input(TYPES[str(column.dtype)], is_column=True) for column in columns]
    return compile_kernel(function, inputs, math=math)


def run(kernel: CompiledKernel, *columns, start=0, stop=None):
    """Return the first output for rows start … stop, and whether a row raised."""
    rows = len(columns[0][start:stop])
    (output,) = kernel.outputs
    is_bool = str(output.type) == "bool"
    result = np.zeros((rows + 7) // 8 if is_bool else rows, np.uint8 if is_bool else str(output.type))
    argument_buffer = array("q")
    for column in (*(c[start:stop] for c in columns), result):
        argument_buffer.extend([column.ctypes.data, 0, 0, 0])
    raised = kernel.loop(nulls=False)(argument_buffer.buffer_info()[0], rows)
    if is_bool:
        result = np.unpackbits(result, count=rows, bitorder="little").astype(bool)
    return result, bool(raised)


def evaluate(function, *columns, math="precise"):
    """Compile and run; no row may raise."""
    result, raised = run(compiled(function, *columns, math=math), *columns)
    assert not raised
    return result
