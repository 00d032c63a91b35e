"""Names for what Numba's compiler hands to an implementation; annotations use them.

Numba's own stubs know half of it, so to the type checker each is anything: the names are for the reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from llvmlite.ir import IRBuilder as Builder
from llvmlite.ir import Value
from numba.core.base import BaseContext as Context
from numba.core.ir import FunctionIR
from numba.core.typing import Signature
from numba.core.typing.context import BaseContext as TypingContext

Values: TypeAlias = Sequence[Value]

__all__ = ["Builder", "Context", "FunctionIR", "Signature", "TypingContext", "Values"]
