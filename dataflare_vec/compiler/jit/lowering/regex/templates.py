"""What `re.sub` puts in place of a match, a constant: text and groups, as `re` reads the template."""

from __future__ import annotations

import hashlib
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from numba.core import types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.imputils import lower_constant
from numba.core.typing.typeof import typeof_impl

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_parser: Any = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")


class Template:
    """A template that was read.

    Attributes
    ----------
    parts : tuple of bytes or int
        Text, in UTF-8, and numbers of groups.
    """

    def __init__(self, written: Any, pattern: re.Pattern[Any]) -> None:
        if "\\" not in written if isinstance(written, str) else b"\\" not in written:
            parts = [written]
        elif sys.version_info >= (3, 12):
            parts = _parser.parse_template(written, pattern)
        else:
            groups, parts = _parser.parse_template(written, pattern)
            for index, number in groups:
                parts[index] = number
        texts = (part.encode() if isinstance(part, str) else part for part in parts)
        self.parts = tuple(part for part in texts if part or isinstance(part, int))


class TemplateType(types.Opaque):  # type: ignore[misc]
    """A template: all there is to know of it is in its type."""

    def __init__(self, template: Template) -> None:
        self.parts = template.parts
        super().__init__(f"template {hashlib.sha256(repr(self.parts).encode()).hexdigest()[:32]}")


register_default(TemplateType)(models.OpaqueModel)


@typeof_impl.register(Template)
def _typeof(value: Template, context: Any) -> TemplateType:
    return TemplateType(value)


@lower_constant(TemplateType)
def _lower(context: Context, builder: Builder, kind: TemplateType, value: Template) -> Any:
    return context.get_dummy_value()
