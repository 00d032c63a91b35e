"""Imports within a function, of what compiled code may name: modules of the standard library and NumPy."""

from __future__ import annotations

import dis
import importlib
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, ModuleType

#: Packages whose modules may be imported within a kernel.
IMPORTABLE = sys.stdlib_module_names | {"numpy", "pandas", "polars", "pyarrow"}


class Import(NamedTuple):
    """What a function imports.

    Attributes
    ----------
    variable
        The function's own name for it.
    value
        A module, or what one has.
    module
        Where it is looked up as ``name``; None for a module itself.
    name
        Its name there, or the module's.
    """

    variable: str
    value: Any
    module: ModuleType | None
    name: str


def module_named(name: str, *, whole: bool) -> ModuleType:
    """Return a module, or the package that it lies in unless it is wanted as a ``whole``.

    Raises
    ------
    ImportError
        If it isn't there, or isn't importable within a kernel.
    """
    package = name.partition(".")[0]
    if package not in IMPORTABLE:
        raise ImportError(name)
    found = importlib.import_module(name)
    return found if whole else sys.modules[package]


def member_of(module: Any, name: str) -> Any:
    """Return what a module has under a name, which may be a module within that nobody has imported yet.

    Raises
    ------
    ImportError
        If it has nothing.
    """
    try:
        return getattr(module, name)
    except AttributeError:
        return importlib.import_module(f"{module.__name__}.{name}")


def imports_of(code: CodeType) -> Iterator[Import]:
    """Yield what a function's code imports; not what isn't there, or isn't importable within a kernel."""
    if dis.opmap["IMPORT_NAME"] not in code.co_code[::2]:
        return
    instructions = [one for one in dis.get_instructions(code) if one.opname != "EXTENDED_ARG"]
    owner: Any = None
    for i, one in enumerate(instructions):
        if one.opname not in ("IMPORT_NAME", "IMPORT_FROM"):
            continue
        name, module = str(one.argval), None
        try:
            if one.opname == "IMPORT_NAME":
                owner = None
                owner = value = module_named(name, whole=instructions[i - 1].argval is not None)
            elif owner is None:
                continue
            else:
                module, value = owner, member_of(owner, name)
        except ImportError:
            continue
        after = instructions[i + 1]
        if one.opname == "IMPORT_NAME" or after.opname.startswith("STORE"):
            yield Import(str(after.argval), value, module, name)
        else:  # of `import a.b.c as d`
            owner = value
