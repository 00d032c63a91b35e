"""Plans that are kept: that of the last call like one, and that of batch after batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.engine.planning.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.stages.scope import ColumnScope


def plan_for(request: Request, scope: ColumnScope) -> Plan:
    """Return the plan of a call, that of the last call like it if it fits the data.

    Planning it anew would take as long as computing thousands of rows.
    """
    steps, keep_data = request.steps, request.keep
    kept = steps[0].kept
    if kept is None:
        return Plan(steps, scope, keep_data=keep_data)
    plan: Plan | None = kept.plan
    if plan is None or not plan.fits(scope, keep_data=keep_data):
        plan = Plan(steps, scope, keep_data=keep_data)
        kept.plan = plan if plan.is_reusable else None
    return plan


class RepeatedPlan:
    """The plan of a request over batch after batch, made for the first of them.

    It is made again only for data of other columns, or where something that a plugin captures has changed.
    Several threads may ask for it; one that comes out of a pickle begins with nothing.

    Parameters
    ----------
    check
        Called with each plan that is made; it raises if that isn't one for batches.

    Attributes
    ----------
    last : Plan or None
        The plan of the last batch; None before the first one.
    """

    __slots__ = ("_check", "last")

    def __init__(self, check: Callable[[Plan], None] | None = None) -> None:
        self._check = check
        self.last: Plan | None = None

    def __call__(self, request: Request, scope: ColumnScope) -> Plan:
        """Return the plan of a request, always the same one, for a batch."""
        plan = self.last
        if plan is None or not plan.is_reusable or not plan.fits(scope, keep_data=request.keep):
            plan = Plan(request.steps, scope, keep_data=request.keep)
            if self._check is not None:
                self._check(plan)
            self.last = plan
        return plan

    def __reduce__(self) -> tuple[Any, ...]:
        return RepeatedPlan, (self._check,)
