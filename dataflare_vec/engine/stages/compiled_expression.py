"""Expression plugins whose loop is one with those of the kernels beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.engine.stages.expression import build_expression
from dataflare_vec.engine.stages.row import RowStage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.compiler.specialise import Prepared
    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.engine.stages.protocols import StageReport


class CompiledExpressionStage(RowStage):
    """A Polars expression, compiled like a row kernel.

    Parameters
    ----------
    expression
        The expression.
    given
        What the parameters of its plugin are bound to.
    binding, prepared, reads, writes, in_result
        As of the row kernel that computes it.
    """

    def __init__(
        self,
        expression: pl.Expr,
        given: Binding,
        binding: Binding,
        prepared: Prepared,
        reads: Sequence[str],
        writes: Mapping[str, Any],
        *,
        in_result: bool,
    ) -> None:
        super().__init__(binding, prepared, reads, writes, in_result=in_result)
        self.expression = expression
        self._made_by = None if isinstance(given.plugin.function, pl.Expr) else given

    def is_current(self) -> bool:
        """Whether a function that returns the expression still returns it."""
        return self._made_by is None or self.expression.meta.eq(build_expression(self._made_by))

    def report(self, *, nulls: bool) -> StageReport:
        """Return what became of its loop."""
        return super().report(nulls=nulls)._replace(kind="compiled expression")
