"""Everything that a kernel's machine code depends on in the user's program, as bytes to be hashed.

That is its bytecode, and what Numba reads of its surroundings while it compiles: globals, closure cells,
attributes of modules, functions it calls in whatever file, with theirs. Files, lines and comments play no
part, so a kernel of a notebook, of the REPL or a lambda is found again as any other.

Whatever isn't known to be safe raises `NotCacheable`: a kernel is rather compiled again than found wrong.
"""

from __future__ import annotations

import builtins
import dis
import struct
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from dataflare_vec.cache.environment import KERNEL_MODULES
from dataflare_vec.definition import Form, Plugin, plain
from dataflare_vec.subclasses import is_plain, shown_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Packages whose versions are part of every key: what lies in them is known by its name.
VERSIONED = frozenset(
    {
        *("builtins", "cmath", "datetime", "decimal", "itertools", "math", "operator"),
        *("llvmlite", "numba", "numpy"),
    }
)
#: Modules of ours that kernels name; their sources are part of every key.
_OWN = frozenset({"dataflare_vec", *(f"dataflare_vec.{name}" for name in KERNEL_MODULES)})
_MOMENTS = (date, time, datetime, timedelta)

# Numba doesn't copy larger arrays into the machine code, but refers to them by their address.
_LARGEST_ARRAY = 1_000_000

_SCALARS = (type(None), bool, int, float, str, bytes)


class NotCacheable(Exception):  # noqa: N818  # not an error: the kernel is compiled each time
    """Something that a kernel depends on can't be hashed safely."""


def fingerprint(function: Callable[..., Any]) -> bytes:
    """Return what the machine code of a function depends on.

    Parameters
    ----------
    function
        A plain Python function or a Numba dispatcher.

    Raises
    ------
    NotCacheable
        If it depends on something that can't be described; the message says on what.
    """
    reader = _Reader()
    try:
        reader.function(plain(function), "the kernel")
        reader.options(function, "the kernel")
    except RecursionError:
        msg = "a list or dict that it reads contains itself"
        raise NotCacheable(msg) from None
    return bytes(reader.found)


class _Reader:
    """Walks over a function and all it refers to, and writes down what it finds."""

    def __init__(self) -> None:
        self.found = bytearray()
        self._functions: dict[FunctionType, int] = {}

    def _write(self, kind: str, *parts: object) -> None:
        # Lengths keep neighbours apart: no two different walks write the same bytes.
        for part in (kind, *parts):
            data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
            self.found += len(data).to_bytes(8, "little") + data

    def value(self, value: Any, name: str) -> None:
        """Write down a value that is called ``name``."""
        kind = type(value)
        if value is None or value is Ellipsis or kind in (bool, int, str, bytes):
            self._write(kind.__name__, value if kind is bytes else repr(value))
        elif kind is float:
            self._write("float", struct.pack("<d", value))
        elif kind is complex:
            self._write("complex", struct.pack("<dd", value.real, value.imag))
        elif kind in (*_MOMENTS, Decimal) and getattr(value, "tzinfo", None) is None:
            self._write(kind.__name__, repr(value))
        elif kind in (tuple, list):
            self._sequence(kind.__name__, value, name)
        elif isinstance(value, tuple) and hasattr(kind, "_fields"):
            self._class(kind, name)
            self._sequence("fields", value, name)
        elif kind in (set, frozenset) and all(type(item) in _SCALARS for item in value):
            self._sequence("set", sorted(value, key=repr), name)
        elif kind is dict and all(type(key) in _SCALARS for key in value):
            self._write("dict", len(value))
            for key, item in value.items():
                self.value(key, name)
                self.value(item, f"{name}[{key!r}]")
        elif kind is CodeType:
            self._code(value, name)
        elif isinstance(value, type):
            self._class(value, name)
        elif isinstance(value, Enum):
            self._class(kind, name)
            self._write("member", value.name)
            if isinstance(value, (str, bytes)):
                self._write("string", is_plain(value), *sorted(shown_by(value)))
        elif isinstance(value, ModuleType):
            self._write("module", value.__name__)
        else:
            self._object(value, name)

    def _sequence(self, kind: str, items: Any, name: str) -> None:
        self._write(kind, len(items))
        for i, item in enumerate(items):
            self.value(item, f"{name}[{i}]")

    def _object(self, value: Any, name: str) -> None:
        """Write down a function, an array, or what Numba and NumPy bring."""
        kind = type(value)
        package = kind.__module__.partition(".")[0]
        if kind in (FunctionType, BuiltinFunctionType) and is_known(value):
            self._write("known", value.__module__, value.__qualname__)
        elif kind is FunctionType:  # compiled like a kernel; not so what an `overload` of the user's is for
            self.function(value, name)
        elif isinstance(value, Plugin) and value.form is Form.ROW:
            self.value(value.function, name)
        elif package == "numba" and kind.__name__ == "CPUDispatcher":
            self.options(value, name)
            self.function(plain(value), name)
        elif package == "numpy":
            self._numpy(value, name)
        elif kind.__module__.startswith("numba.core.types."):
            self._write("numba type", kind.__name__, value)
        else:
            raise _refused(name, f"of type {kind.__module__}.{kind.__qualname__}")

    def options(self, function: Any, name: str) -> None:
        """Write down how a dispatcher compiles; nothing for a plain function."""
        if isinstance(function, FunctionType):
            return
        self._write("dispatcher")
        self.value(dict(sorted(function.targetoptions.items())), f"the options of {name}")
        self.value(dict(sorted(function.locals.items())), f"the types of variables of {name}")
        self._class(function._compiler.pipeline_class, f"the compiler of {name}")

    def _numpy(self, value: Any, name: str) -> None:
        import numpy as np

        if isinstance(value, np.ufunc):
            ufunc = str(value.__name__)
            if getattr(np, ufunc, None) is not value:
                raise _refused(name, "a ufunc that isn't NumPy's")
            self._write("ufunc", ufunc)
        elif isinstance(value, np.dtype):
            self._write("dtype", value.descr if value.fields else value.str)
        elif isinstance(value, np.generic) and not value.dtype.hasobject:
            self._write("scalar", value.dtype.str, value.tobytes())
        elif type(value) is np.ndarray and not value.dtype.hasobject:
            flags = value.flags
            if value.nbytes > _LARGEST_ARRAY or not (flags.c_contiguous or flags.f_contiguous):
                raise _refused(name, "an array of more than 1 MB or with gaps")
            dtype = value.dtype.descr if value.dtype.fields else value.dtype.str
            order = (flags.c_contiguous, flags.f_contiguous, flags.writeable, flags.aligned)
            self._write("array", dtype, value.shape, order, value.tobytes("A"))
        elif callable(value) and is_known(value):
            self._write("known", value.__module__, value.__qualname__)
        else:
            raise _refused(name, f"of type {type(value).__name__}")

    def _class(self, cls: type, name: str) -> None:
        self._write("class", cls.__module__, cls.__qualname__)
        if is_known(cls):
            return
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            self._write("fields", repr(cls._fields))
            self.value(getattr(cls, "_field_defaults", {}), f"the defaults of {name}")
        elif issubclass(cls, Enum):
            self._write("bases", *(f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__))
            for member, one in cls.__members__.items():
                self._write("enum", member)
                self.value(one.value, f"{name}.{member}")
        elif issubclass(cls, BaseException):
            # Which exception it was is found out by calling the Python function.
            self._write("exception")
        else:
            raise _refused(name, f"the class `{cls.__qualname__}`")

    def function(self, function: FunctionType, name: str) -> None:
        """Write down a Python function and all it refers to."""
        if function in self._functions:  # it calls itself
            self._write("again", self._functions[function])
            return
        self._functions[function] = len(self._functions)
        self._write("function")
        self.value(function.__defaults__, f"a default of {name}")
        self.value(function.__kwdefaults__, f"a default of {name}")
        code = function.__code__
        self._code(code, name)
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self._write("cell", variable)
            try:
                content = cell.cell_contents
            except ValueError:
                self._write("empty")
            else:
                self._variable(content, variable, code)
        for variable in sorted(set(_global_names(code))):
            self._write("global", variable)
            for scope in (function.__globals__, vars(builtins)):
                if variable in scope:
                    self._variable(scope[variable], variable, code)
                    break
            else:
                self._write("missing")

    def _variable(self, value: Any, variable: str, code: CodeType) -> None:
        """Write down what a variable of a function stands for; of a module what may be read of it."""
        self.value(value, f"`{variable}`")
        if isinstance(value, ModuleType):
            attributes = {name for one in _codes(code) for name in one.co_names}
            self._module(value, attributes, {value.__name__})

    def _module(self, module: ModuleType, attributes: set[str], above: set[str]) -> None:
        is_versioned = module.__name__ in _OWN or module.__name__.partition(".")[0] in VERSIONED
        if is_versioned and sys.modules.get(module.__name__) is module:
            return
        scope = vars(module)
        for attribute in sorted(attributes):
            if attribute in scope:
                self._write("attribute", attribute)
                value = scope[attribute]
                self.value(value, f"`{module.__name__}.{attribute}`")
                if isinstance(value, ModuleType) and value.__name__ not in above:
                    self._module(value, attributes, above | {value.__name__})
            elif "__getattr__" in scope:
                name = f"`{module.__name__}`"
                raise _refused(name, "a module with attributes made on demand")

    def _code(self, code: CodeType, name: str) -> None:
        self._write(
            "code",
            code.co_code,
            code.co_flags,
            code.co_argcount,
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            repr((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)),
            getattr(code, "co_exceptiontable", b""),
        )
        self.value(code.co_consts, f"a constant of {name}")


def is_known(value: Any) -> bool:
    """Whether something is what its module and name say, in a package whose version is part of the key."""
    module = getattr(value, "__module__", None) or ""
    if module.partition(".")[0] not in VERSIONED:
        return False
    found: Any = sys.modules.get(module)
    for name in getattr(value, "__qualname__", "").split("."):
        found = getattr(found, name, None)
    return found is value


def _refused(name: str, what: str) -> NotCacheable:
    return NotCacheable(f"{name} is {what}")


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _global_names(code: CodeType) -> Iterator[str]:
    for one in _codes(code):
        for instruction in dis.get_instructions(one):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
                yield str(instruction.argval)
