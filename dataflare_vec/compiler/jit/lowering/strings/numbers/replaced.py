"""``int(s.replace(",", ""))`` at once: no text is made only to be read as a number.

Up to eight digits, in up to 16 bytes, are taken out of the text in registers; of all else the two calls are
made as they were written. `passes.joined_calls` puts it in their place.
"""

from __future__ import annotations

from dataflare_vec.compiler.jit.lowering.strings.base import operation
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.lowering.strings.memory import few_without
from dataflare_vec.compiler.jit.lowering.strings.numbers.parse import number_of_digits
from dataflare_vec.compiler.jit.lowering.strings.vectorcode import FEW


def int_without(value, byte, nothing):
    """Return ``int(value.replace(byte, nothing))``; stands for the two calls in kernels."""
    return int(value.replace(byte, nothing))


@operation(int_without, inlined=True)
def _int_without(value, byte, nothing):
    if not comparable(value, byte):
        return lambda value, byte, nothing: int(value.replace(byte, nothing))

    def few_digits(value, byte, nothing):
        if value._nbytes <= FEW:
            digits, count = few_without(value._data, value._nbytes, byte._data[0])
            if count > 0 and count <= 8:
                number = number_of_digits(digits, count)
                if number >= 0:
                    return number
        return int(value.replace(byte, nothing))

    return few_digits
