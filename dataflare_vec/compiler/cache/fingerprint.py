"""Everything that a kernel's machine code depends on in the user's program: what a function captures.

That is its bytecode, and what Numba reads of its surroundings while it compiles: globals, closure cells,
attributes of modules, functions it calls in whatever file, with theirs. One walk finds it, and writes it down
twice: as bytes to be hashed, the key of what is kept on disk, and as watches, which tell within a process
whether something is another by now. Files, lines and comments play no part, so a kernel of a notebook, of the
REPL or a lambda is found again as any other.

Whatever isn't known to be safe raises `NotCacheable`: a kernel is rather compiled again than found wrong.
"""

from __future__ import annotations

import builtins
import dis
import re
import struct
import sys
import time as clock
from contextlib import suppress
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from types import BuiltinFunctionType, CodeType, FunctionType, MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any

from dataflare_vec.compiler.cache.environment import KERNEL_MODULES
from dataflare_vec.compiler.cache.watches import Watches
from dataflare_vec.definition.imports import imports_of
from dataflare_vec.definition.plugin import Form, Plugin, plain
from dataflare_vec.definition.tables.frozen import Frozen, frozen, holds_containers, is_container, is_few
from dataflare_vec.definition.tables.kinds import NotATable
from dataflare_vec.definition.text_subclasses import is_plain, shown_by
from dataflare_vec.definition.trees.evaluate import Evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Packages whose versions are part of every key: what lies in them is known by its name.
VERSIONED = frozenset(
    {
        *("builtins", "cmath", "datetime", "decimal", "itertools", "math", "operator", "re"),
        *("llvmlite", "numba", "numpy", "zoneinfo"),
    }
)
#: Modules of ours that kernels name; their sources are part of every key.
_OWN = frozenset({"dataflare_vec", *(f"dataflare_vec.{name}" for name in KERNEL_MODULES)})
_MOMENTS = (date, time, datetime, timedelta)

#: What is written in Python in these was never meant to be compiled, and isn't looked into.
LIBRARIES = sys.stdlib_module_names | {"numpy", "pandas", "polars", "pyarrow"}

# Numba doesn't copy larger arrays into the machine code, but refers to them by their address.
_LARGEST_ARRAY = 1_000_000

# Numba compiles no longer one, but as a table.
_LONGEST_TUPLE = 1_000

_READS_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")

_SCALARS = (type(None), bool, int, float, str, bytes)


class NotCacheable(Exception):  # not an error: the kernel is compiled each time
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
    reader = Reader()
    reader.root(function)
    if reader.reason is not None:
        raise NotCacheable(reader.reason)
    return bytes(reader.found)


class Reader:
    """Walks over functions and all they refer to, and writes down what it finds.

    Parameters
    ----------
    interpreted
        Whether Python itself runs the function, and only what it calls may be compiled. Plain functions of
        other packages aren't looked into then.

    Attributes
    ----------
    found : bytearray
        All of it, to be hashed.
    watches : Watches
        All of it that may change.
    called : list
        The functions and dispatchers, in the order in which they were come by.
    tables : dict
        The tables that machine code may look up in, by the containers' addresses.
    reason : str or None
        Why it can't be hashed: the first thing that isn't known to be safe. The walk goes on nevertheless.
    """

    def __init__(self, *, interpreted: bool = False) -> None:
        self.found = bytearray()
        self.watches = Watches()
        self.called: list[Any] = []
        self.tables: dict[int, Frozen] = {}
        self.reason: str | None = None
        self._interpreted = interpreted
        self._package = ""
        self._functions: dict[FunctionType, int] = {}
        self._passed_on: list[ModuleType] = []  # to helpers, which read attributes of it
        self._open: set[int] = set()  # lists and the like that are being read

    def root(self, function: Any, name: str = "the kernel") -> None:
        """Write down a function that is compiled, or a dispatcher."""
        self._package = _package_of(plain(function))
        self.called.append(function)
        self.function(plain(function), name)
        self.options(function, name)
        read: set[str] = set()
        while self._passed_on and not read >= (names := self._attributes_read()):
            read |= names
            for module in self._passed_on:
                self._inside(module, module.__name__, names, {id(module)})
        self._named_zones()

    def _attributes_read(self) -> set[str]:
        return {name for function in self._functions for name in _attribute_names(function.__code__)}

    def _refuse(self, name: str, what: str) -> None:
        self.reason = self.reason or f"{name} is {what}"

    def _write(self, kind: str, *parts: object) -> None:
        # Lengths keep neighbours apart: no two different walks write the same bytes.
        for part in (kind, *parts):
            data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
            self.found += len(data).to_bytes(8, "little") + data

    def value(self, value: Any, name: str) -> None:
        """Write down a value that is called ``name``."""
        kind = type(value)
        if is_container(value) and self._is_table(value):
            self._write("table", self.tables[id(value)].digest)
            if kind is tuple and len(value) < _LONGEST_TUPLE:  # which may be unpacked: then 1 isn't 1.0
                self._sequence("tuple", value, name)
        elif value is None or value is Ellipsis or kind in (bool, int, str, bytes):
            self._write(kind.__name__, value if kind is bytes else repr(value))
        elif kind is float:
            self._write("float", struct.pack("<d", value))
        elif kind is complex:
            self._write("complex", struct.pack("<dd", value.real, value.imag))
        elif kind in (*_MOMENTS, Decimal) and getattr(value, "tzinfo", None) is None:
            self._write(kind.__name__, repr(value))
        elif kind is datetime:
            self._write("aware", repr(value.replace(tzinfo=None)))
            self.value(value.tzinfo, f"the time zone of {name}")
        elif isinstance(value, tzinfo):
            self._zone(value, name)
        elif kind in (tuple, list):
            self._sequence(kind.__name__, value, name)
        elif isinstance(value, tuple) and hasattr(kind, "_fields"):
            self._class(kind, name)
            self._sequence("fields", value, name)
        elif kind in (set, frozenset) and all(type(item) in _SCALARS for item in value):
            self.watches.items(value)
            self._sequence("set", sorted(value, key=repr), name)
        elif kind is dict and all(type(key) in _SCALARS for key in value):
            self.watches.items(value)
            self._dict(value, name)
        elif kind is re.Pattern:
            self._write("pattern", repr(value.pattern), value.flags)
        elif kind is CodeType:
            self._code(value, name)
        elif isinstance(value, type):
            self._class(value, name)
        elif isinstance(value, Enum):
            self._class(kind, name)
            self._write("member", value.name)
            self.watches.name(value, vars(value), "_value_")
            if isinstance(value, (str, bytes)):
                self._write("string", is_plain(value), *sorted(shown_by(value)))
        elif isinstance(value, ModuleType):
            self._write("module", value.__name__)
        else:
            self._object(value, name)

    def _zone(self, value: tzinfo, name: str) -> None:
        """Write down a time zone, with the edition of its file."""
        from dataflare_vec.definition.zones import UnknownZoneError, zone_key, zone_of

        try:
            zone_of(value)
            self._write("zone", zone_key(value))
        except UnknownZoneError as error:
            self.reason = self.reason or str(error)

    def _named_zones(self) -> None:
        """Write down the time zones that functions make of a name, and the names that the machine's zone has.

        A format of `strptime` knows these as ``%Z``.
        """
        codes = [one for function in self._functions for one in _codes(function.__code__)]
        texts = {text for code in codes for text in code.co_consts if isinstance(text, str)}
        if any("%Z" in text for text in texts):
            self._write("zone names", *clock.tzname, clock.daylight)
        if "zoneinfo" in sys.modules and b"zoneinfo" in self.found:
            from dataflare_vec.definition.zones import UnknownZoneError, tzinfo_named

            for text in sorted(texts):
                with suppress(UnknownZoneError):
                    self._zone(tzinfo_named(text), f"time zone {text}")

    def _is_table(self, value: Any) -> bool:
        """Whether a dict, a set, a list or a long tuple is a table; if so, note it."""
        if is_few(value):
            return False
        try:
            table = frozen(value)
        except NotATable:
            return False
        self.tables[id(value)] = table
        if not isinstance(value, (tuple, frozenset)) or holds_containers(value):
            self.watches.items(value, table.held_of(value))
        return True

    def _sequence(self, kind: str, items: Any, name: str) -> None:
        if kind == "list":
            self.watches.items(items)
        if self._enters(items):
            self._write(kind, len(items))
            for i, item in enumerate(items):
                self.value(item, f"{name}[{i}]")
            self._open.discard(id(items))

    def _dict(self, value: dict[Any, Any], name: str) -> None:
        if self._enters(value):
            self._write("dict", len(value))
            for key, item in value.items():
                self.value(key, name)
                self.value(item, f"{name}[{key!r}]")
            self._open.discard(id(value))

    def _enters(self, container: Any) -> bool:
        """Whether a list or the like isn't the one that is being read anyway."""
        if id(container) in self._open:
            self.reason = self.reason or "a list or dict that it reads contains itself"
            return False
        self._open.add(id(container))
        return True

    def _object(self, value: Any, name: str) -> None:
        """Write down a function, an array, or what Numba and NumPy bring."""
        kind = type(value)
        package = kind.__module__.partition(".")[0]
        if kind is Evaluate:
            self._write("tree", value.tree.described())
        elif kind in (FunctionType, BuiltinFunctionType) and is_known(value):
            self._write("known", value.__module__, value.__qualname__)
        elif kind is FunctionType:  # compiled like a kernel; not so what an `overload` of the user's is for
            self._plain(value, name)
        elif isinstance(value, Plugin) and value.form is Form.ROW:
            self.watches.name(value, vars(value), "function")
            self.value(value.function, name)
        elif _is_dispatcher(value):
            self.called.append(value)
            self.options(value, name)
            self.function(plain(value), name)
        elif package == "numpy":
            self._numpy(value, name)
        elif kind.__module__.startswith("numba.core.types."):
            self._write("numba type", kind.__name__, value)
        else:
            self._refuse(name, f"of type {kind.__module__}.{kind.__qualname__}")

    def _plain(self, function: FunctionType, name: str) -> None:
        package = _package_of(function)
        if package in LIBRARIES or (self._interpreted and package != self._package):
            self._refuse(name, f"a Python function of `{package}`")
            return
        self.called.append(function)
        self.function(function, name)

    def options(self, function: Any, name: str) -> None:
        """Write down how a dispatcher compiles; nothing for a plain function."""
        if isinstance(function, FunctionType):
            return
        self._write("dispatcher")
        self._dict(dict(sorted(function.targetoptions.items())), f"the options of {name}")
        self._dict(dict(sorted(function.locals.items())), f"the types of variables of {name}")
        self._class(function._compiler.pipeline_class, f"the compiler of {name}")

    def _numpy(self, value: Any, name: str) -> None:
        import numpy as np

        if isinstance(value, np.ufunc):
            ufunc = str(value.__name__)
            if getattr(np, ufunc, None) is not value:
                self._refuse(name, "a ufunc that isn't NumPy's")
            self._write("ufunc", ufunc)
        elif isinstance(value, np.dtype):
            self._write("dtype", value.descr if value.fields else value.str)
        elif isinstance(value, np.generic) and not value.dtype.hasobject:
            if isinstance(value, np.void):
                self.watches.record(value)
            self._write("scalar", value.dtype.str, value.tobytes())
        elif type(value) is np.ndarray and not value.dtype.hasobject:
            flags = value.flags
            is_constant = value.nbytes <= _LARGEST_ARRAY and (flags.c_contiguous or flags.f_contiguous)
            self.watches.array(value, content=is_constant)
            if not is_constant:
                self._refuse(name, "an array of more than 1 MB or with gaps")
                return
            dtype = value.dtype.descr if value.dtype.fields else value.dtype.str
            order = (flags.c_contiguous, flags.f_contiguous, flags.writeable, flags.aligned)
            self._write("array", dtype, value.shape, order, value.tobytes("A"))
        elif callable(value) and is_known(value):
            self._write("known", value.__module__, value.__qualname__)
        else:
            self._refuse(name, f"of type {type(value).__name__}")

    def _class(self, cls: type, name: str) -> None:
        self._write("class", cls.__module__, cls.__qualname__)
        if is_known(cls):
            return
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            self._write("fields", repr(cls._fields))
            self._dict(getattr(cls, "_field_defaults", {}), f"the defaults of {name}")
        elif issubclass(cls, Enum):
            self._write("bases", *(f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__))
            for member, one in cls.__members__.items():
                self._write("enum", member)
                self.value(one.value, f"{name}.{member}")
        elif issubclass(cls, BaseException):
            # Which exception it was is found out by calling the Python function.
            # And whether one that is raised is caught by its bases.
            self._write("exception", *(f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__))
            # And whether it says what others do.
            self._write("own", *sorted({n for base in cls.__mro__ if not is_known(base) for n in vars(base)}))
        else:
            self._refuse(name, f"the class `{cls.__qualname__}`")

    def function(self, function: FunctionType, name: str) -> None:
        """Write down a Python function and all it refers to."""
        if function in self._functions:  # it calls itself
            self._write("again", self._functions[function])
            return
        self._functions[function] = len(self._functions)
        self.watches.function(function)
        self._write("function")
        self.value(function.__defaults__, f"a default of {name}")
        self.value(function.__kwdefaults__, f"a default of {name}")
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        self._passed_on += [default for default in defaults if isinstance(default, ModuleType)]
        code = function.__code__
        self._code(code, name)
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self._write("cell", variable)
            self.watches.cell(cell)
            try:
                content = cell.cell_contents
            except ValueError:
                self._write("empty")
            else:
                self._variable(content, variable, code)
        for variable in sorted(set(_global_names(code))):
            self._write("global", variable)
            for scope in (function.__globals__, vars(builtins)):
                self.watches.name(scope, scope, variable)
                if variable in scope:
                    self._variable(scope[variable], variable, code)
                    break
            else:
                self._write("missing")
        self._imports(code)

    def _imports(self, code: CodeType) -> None:
        """Write down what a function imports when it is called."""
        for one in (found for inner in _codes(code) for found in imports_of(inner)):
            self._write("import", one.variable, one.name)
            if one.module is None:
                self.watches.name(sys, sys.modules, one.value.__name__)
            else:
                self.watches.name(one.module, vars(one.module), one.name)
            self._variable(one.value, one.variable, code)

    def _variable(self, value: Any, variable: str, code: CodeType) -> None:
        """Write down what a variable of a function stands for, and what may be read of it by its names."""
        self.value(value, f"`{variable}`")
        if isinstance(value, ModuleType) and _passes_on(code, variable):
            self._passed_on.append(value)
        self._inside(value, variable, set(_attribute_names(code)), {id(value)})

    def _inside(self, value: Any, name: str, attributes: set[str], above: set[int]) -> None:
        """Write down the attributes of a module, a class or an object that a function may read."""
        scopes: list[tuple[object, Mapping[str, Any]]]
        if id(value) in self.tables:
            return
        if isinstance(value, ModuleType):
            name = value.__name__
            is_versioned = name in _OWN or name.partition(".")[0] in VERSIONED
            if is_versioned and sys.modules.get(name) is value:
                return
            scopes = [(value, vars(value))]
        elif isinstance(value, tuple):
            self._inside_whole(type(value), name, attributes)
            for i, item in enumerate(value):
                self._inside(item, f"{name}[{i}]", attributes, above)
            return
        else:
            kind = value if isinstance(value, type) else type(value)
            if is_known(kind) or issubclass(kind, (FunctionType, Plugin)):  # not read by their attributes
                return
            if issubclass(kind, (tuple, Enum, BaseException)):
                self._inside_whole(kind, name, attributes)
                return
            scopes = [(one, vars(one)) for one in _bases(kind)]
            if value is not kind and hasattr(value, "__dict__"):
                scopes.insert(0, (value, vars(value)))
        for attribute in sorted(attributes):
            place = next((i for i, (_, scope) in enumerate(scopes) if attribute in scope), None)
            if place is None:
                if isinstance(value, ModuleType) and "__getattr__" in scopes[0][1]:
                    self._refuse(f"`{name}`", "a module with attributes made on demand")
                    self.watches.made(value, attribute)
                for owner, scope in scopes:  # a call with other constants may read it, once it is there
                    self.watches.name(owner, scope, attribute)
                continue
            for owner, scope in scopes[:place]:  # there it would hide this one
                self.watches.name(owner, scope, attribute)
            owner, scope = scopes[place]
            self._attribute(owner, scope, f"{name}.{attribute}", attributes, above)
            if isinstance(scope[attribute], MemberDescriptorType):
                self.watches.made(value, attribute)

    def _inside_whole(self, kind: type, name: str, attributes: set[str]) -> None:
        """Write down what else may be read of a class whose instances are written down as a whole."""
        members = getattr(kind, "__members__", {})
        for attribute in sorted(attributes):
            if attribute in members:
                member = members[attribute]
                self.watches.name(member, vars(member), "_value_")
                continue
            for cls in _bases(kind):
                self.watches.name(cls, vars(cls), attribute)
                found = _function_in(vars(cls).get(attribute))
                if isinstance(found, (FunctionType, *_SCALARS)) or _is_dispatcher(found):
                    self.value(found, f"`{name}.{attribute}`")

    def _attribute(
        self, owner: object, scope: Mapping[str, Any], name: str, attributes: set[str], above: set[int]
    ) -> None:
        attribute = name.rpartition(".")[2]
        value = scope[attribute]
        self.watches.name(owner, scope, attribute)
        self._write("attribute", attribute)
        value = _function_in(value)
        self.value(value, f"`{name}`")
        if id(value) not in above:
            self._inside(value, name, attributes, above | {id(value)})

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
        self._sequence("tuple", code.co_consts, f"a constant of {name}")


def is_known(value: Any) -> bool:
    """Whether something is what its module and name say, in a package whose version is part of the key."""
    module = getattr(value, "__module__", None) or ""
    if module.partition(".")[0] not in VERSIONED:
        return False
    found: Any = sys.modules.get(module)
    for name in getattr(value, "__qualname__", "").split("."):
        found = getattr(found, name, None)
    return found is value


def _package_of(function: FunctionType) -> str:
    """Return the top package that a function is written in, whatever it says of itself."""
    return str(function.__globals__.get("__name__", "")).partition(".")[0]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _attribute_names(code: CodeType) -> Iterator[str]:
    for one in _codes(code):
        for instruction in dis.get_instructions(one):
            if instruction.opname in _READS_ATTRIBUTE:
                yield str(instruction.argval)


def _passes_on(code: CodeType, variable: str) -> bool:
    """Whether a function does something else with a variable than to read an attribute of it."""
    for one in _codes(code):
        instructions = [i for i in dis.get_instructions(one) if i.opname not in ("PUSH_NULL", "EXTENDED_ARG")]
        for loads, then in pairwise(instructions):
            if loads.argval == variable and loads.opname.startswith("LOAD_"):
                if then.opname not in _READS_ATTRIBUTE:
                    return True
    return False


def _is_dispatcher(value: Any) -> bool:
    """Whether something is a function that Numba compiles."""
    return type(value).__module__.partition(".")[0] == "numba" and type(value).__name__ == "CPUDispatcher"


def _bases(kind: type) -> list[type]:
    """Return the user's classes in which attributes of a class are looked for, metaclasses last."""
    metaclass: type = type(kind)
    return [one for one in (*kind.__mro__, *metaclass.__mro__) if not is_known(one)]


def _function_in(value: Any) -> Any:
    """Return the function of a static method or a class's; anything else as it is."""
    return value.__func__ if isinstance(value, (staticmethod, classmethod)) else value


def _global_names(code: CodeType) -> Iterator[str]:
    for one in _codes(code):
        for instruction in dis.get_instructions(one):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
                yield str(instruction.argval)
