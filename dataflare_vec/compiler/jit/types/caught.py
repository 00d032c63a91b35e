"""Numba type of a caught exception, and of what is read from one."""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.core.callconv import excinfo_ptr_t
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default


class CaughtType(types.Type):  # type: ignore[misc]
    """A caught exception: it can be raised again; a few kernels ask what it says (`lowering.told`)."""

    def __init__(self, name: str = "caught exception") -> None:
        super().__init__(name)


class CaughtArguments(CaughtType):
    """Its ``args``."""


class CaughtClass(CaughtType):
    """Its class."""


CAUGHT = CaughtType()
#: One in a kernel whose exceptions have their messages.
TELLING = CaughtType("caught exception with its message")
CAUGHT_ARGUMENTS = CaughtArguments("arguments of a caught exception")
CAUGHT_CLASS = CaughtClass("class of a caught exception")


@register_default(CaughtType)
@register_default(CaughtArguments)
@register_default(CaughtClass)
class _CaughtModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: CaughtType) -> None:
        super().__init__(manager, kind, excinfo_ptr_t)
