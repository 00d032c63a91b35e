"""Functions that are linked into kernels, in the cache's folder: each is compiled once per machine.

Numba takes some 35 ms for one, and a kernel with five methods of strings links thirty. What one becomes
depends on its code, on what it captures, on the types of its arguments, and on what all machine code depends
on. The key of all that is part of its symbol: functions of one name are the same, whichever process compiled
them.
"""

from __future__ import annotations

import copy
import pickle
import re
import sys
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba.core import types
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target
from numba.extending import _Intrinsic

from dataflare_vec.compiler.cache.entry import digest
from dataflare_vec.compiler.cache.environment import environment
from dataflare_vec.compiler.cache.folder import open_folder
from dataflare_vec.compiler.jit.lowering.strings.symbols import define, names
from dataflare_vec.compiler.jit.types.strings import StringConstant
from dataflare_vec.compiler.jit.types.tables import TableIterator, TableType, TableView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ENDING = ".linked"
_MARK = "dfv"
_OWN_PACKAGE = __name__.partition(".")[0]
#: A function's symbol as Numba mangles it, and one with a key in it.
_MANGLED, _WITH_KEY = re.compile(r"_ZN\d"), re.compile(rf"B\d+v{_MARK}[0-9a-f]{{24}}")


class Stored(NamedTuple):
    """What Numba has to know of a compiled function, and its LLVM module with all that it calls."""

    fndesc: Any
    signature: Any
    bitcode: bytes


class _NotStored(Exception):
    """A function captures what can't be described."""


def key_of(function: Callable[..., Any], arguments: Iterable[Any], flags: Any) -> str | None:
    """Return a digest of what a compiled function depends on; None if it isn't to be stored."""
    if open_folder() is None:
        return None
    try:
        described = [_description(one) for one in (function, *arguments)]
    except _NotStored:
        return None
    # Of the processor at hand the environment tells, unless code is made for another.
    processor = cpu_target.target_context.codegen()._tm_features
    text = repr((described, flags.summary(), processor))
    # An object that is shown by where it lies is another one in the next process.
    return None if " at 0x" in text else digest(environment(), text.encode())


def identifier(key: str) -> str:
    """Return what tells a function from others of its name, as part of its symbol."""
    return _MARK + key[:24]


def read(key: str) -> Stored | None:
    """Return a function out of the folder; None if it isn't there."""
    folder = open_folder()
    content = folder.read(key + _ENDING) if folder else None
    # Safe as far as the folder is: it holds machine code as well.
    return None if content is None else Stored(*pickle.loads(content))


def write(key: str, result: Any) -> None:
    """Keep a compiled function, if its module means the same in any process."""
    folder, library = open_folder(), result.library
    module = library._get_module_for_linking()
    if folder is None or library._dynamic_globals or library._reload_init:
        return
    for function in module.functions:
        # Numba numbers what it compiles itself anew in each process.
        if not function.is_declaration and _MANGLED.match(function.name):
            if not _WITH_KEY.search(function.name):
                return
    fndesc = copy.copy(result.fndesc)
    fndesc.typemap = fndesc.calltypes = None
    try:
        content = pickle.dumps((fndesc, result.signature, module.as_bitcode()))
    except Exception:  # a type that holds what can't be pickled
        return
    folder.write(key + _ENDING, content)


def define_symbols(module: Any) -> None:
    """Give the memory of ours to which a module refers its address."""
    for name in {variable.name for variable in module.global_variables}.intersection(names()):
        define(name)


def _description(value: Any) -> Any:
    """Return text, and tuples of it, that tell a captured value or a type from all others."""
    if isinstance(value, FunctionType):
        if (value.__module__ or _OWN_PACKAGE).partition(".")[0] != _OWN_PACKAGE:
            raise _NotStored
        captured = [_contents(cell) for cell in value.__closure__ or ()]
        about = value.__defaults__, *captured, *_own_globals(value)
        return value.__module__, value.__qualname__, _code(value.__code__), _description(about)
    if isinstance(value, Dispatcher):
        return "compiled", _description(value.py_func), repr(sorted(value.targetoptions))
    if isinstance(value, _Intrinsic):
        return "intrinsic", _description(value._defn)
    if isinstance(value, types.Type):
        return type(value).__qualname__, _type(value)
    if isinstance(value, type | BuiltinFunctionType):
        return value.__module__, value.__qualname__
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, StringConstant):
        return type(value).__qualname__, str.__repr__(value), sorted(value.shown), value.written
    if isinstance(value, tuple | list):
        return type(value).__name__, *map(_description, value)
    if value is None or isinstance(value, str | bytes | int | float | np.generic):
        return type(value).__name__, repr(value)
    raise _NotStored


def _type(kind: types.Type) -> Any:
    """Return the same of a Numba type. One of a user's class isn't described: another may have its name."""
    if isinstance(kind, types.Literal):
        return _description(kind.literal_value)
    if isinstance(kind, types.Omitted):
        return _description(kind.value)
    if isinstance(kind, types.Tuple | types.UniTuple | types.StarArgTuple | types.StarArgUniTuple):
        return [_description(item) for item in kind]
    if isinstance(kind, types.Optional | types.TypeRef):
        return _description(kind.type if isinstance(kind, types.Optional) else kind.instance_type)
    if isinstance(kind, types.List):
        return kind.reflected, _description(kind.dtype)
    if isinstance(kind, TableType | TableView | TableIterator):
        view = kind.view if isinstance(kind, TableIterator) else kind
        if not (view.table if isinstance(view, TableView) else view).is_told:
            raise _NotStored
    own = type(kind).__module__.startswith(_OWN_PACKAGE + ".")
    if own or isinstance(
        kind, types.Number | types.Boolean | types.NoneType | types.SliceType | types.CPointer
    ):
        return str(kind.key) if own else str(kind)
    raise _NotStored


def _own_globals(function: FunctionType) -> list[Any]:
    """Return the globals that a function of no module refers to, as one that was made by `eval`.

    What those of a module are the environment tells, which has this package's sources.
    """
    found = function.__globals__
    if vars(sys.modules.get(found.get("__name__", ""), object)) is found:
        return []
    names = sorted(_names(function.__code__))
    return [(name, found[name]) for name in names if name in found]


def _names(code: CodeType) -> set[str]:
    inner = [_names(one) for one in code.co_consts if isinstance(one, CodeType)]
    return set(code.co_names).union(*inner)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # of a name that isn't assigned yet
        raise _NotStored from None


def _code(code: CodeType) -> Any:
    constants = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return code.co_code, constants, code.co_names, code.co_varnames
