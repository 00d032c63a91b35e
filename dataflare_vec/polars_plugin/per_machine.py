"""Libraries of one kernel each, built once per machine: they lie in the cache, beside compiled kernels."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path, PurePath
from time import perf_counter
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec._util.logs import get_logger
from dataflare_vec.compiler.cache.entry import Entry, digest
from dataflare_vec.compiler.cache.fingerprint import Reader
from dataflare_vec.compiler.cache.folder import open_folder
from dataflare_vec.compiler.cache.key import key_of_all
from dataflare_vec.compiler.hot_reload import check
from dataflare_vec.compiler.llvm import binding as llvm
from dataflare_vec.compiler.prepare import with_blocks
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.definition.binding import Column
from dataflare_vec.definition.plugin import plain
from dataflare_vec.engine.stages import partitioned
from dataflare_vec.exceptions import MissingDependencyError
from dataflare_vec.polars_plugin.build import content_digest, linked
from dataflare_vec.polars_plugin.functions import check_can_be_built, compile_function
from dataflare_vec.polars_plugin.library import PluginLibrary, write_file
from dataflare_vec.polars_plugin.linker import linked_by, linker, runtime_sources
from dataflare_vec.polars_plugin.own_folder import own_folder
from dataflare_vec.polars_plugin.targets import target_of, this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.polars_plugin.targets import Target

_log = get_logger(__name__)


class _Stored(NamedTuple):
    """What the cache knows of a library."""

    file: str
    linked_by: str


def check_native(binding: Binding, dtypes: Sequence[Any]) -> None:
    """Raise if there can't be a library of a kernel, as far as that is known without compiling it.

    Raises
    ------
    BuildError
        Saying why.
    """
    target_of(None)
    plugin = as_bound(binding)
    check_can_be_built(plugin, [_schema(binding, dtypes)])


def native_library(binding: Binding, dtypes: Sequence[Any]) -> PluginLibrary:
    """Return the library of a kernel for columns of ``dtypes``: out of the cache, else built and put there.

    The plugin in it is that of `as_bound`.

    Raises
    ------
    BuildError
        If it can't be built.
    MissingDependencyError
        If it isn't in the cache, and there is no linker.
    """
    known = remembered(binding.plugin)
    libraries = check(binding.plugin).libraries
    carried = _carried(binding.plugin)
    key = (tuple(isinstance(item, Column) for item in binding.items), binding.constant_key, carried, *dtypes)
    found: PluginLibrary | None = libraries.get(key)
    if found is None or not found.path.exists():
        with known.lock:  # threads that ask at the same time get the same one
            found = libraries.get(key)
            if found is None or not found.path.exists():
                found = libraries[key] = _load_or_build(binding, dtypes)
    return found


def as_bound(binding: Binding) -> Plugin:
    """Return a plugin whose columns and constants are those of a call, with its values as defaults.

    A number for a column is a constant, of its own type, as it is for `apply`; an expression for a constant
    is a column.
    """
    parameters = {}
    for item in binding.items:
        column = isinstance(item, Column)
        default = item.parameter.default if isinstance(item, Column) else item.value
        parameters[item.parameter.name] = replace(item.parameter, is_column=column, default=default)
    return replace(binding.plugin, parameters=tuple(parameters.values()))


def _schema(binding: Binding, dtypes: Sequence[Any]) -> dict[str, Any]:
    return {item.parameter.name: dtype for item, dtype in zip(binding.columns, dtypes, strict=True)}


def _load_or_build(binding: Binding, dtypes: Sequence[Any]) -> PluginLibrary:
    began = perf_counter()
    plugin = as_bound(binding)
    schema = _schema(binding, dtypes)
    check_can_be_built(plugin, [schema])
    label = (
        f"{plugin.name}({', '.join(f'{name}: {dtype}' for name, dtype in schema.items())}), native library"
    )
    entry = _entry(binding, dtypes)
    path, how = None if entry is None else _find(entry), "from the cache"
    if path is None:
        path, how = _build(plugin, schema, entry, label), "built"
    _log.debug("%s: %s in %.3f s", label, how, perf_counter() - began)
    return PluginLibrary(path, {plugin.name: plugin}, {plugin.name: (schema,)}, this_machine())


def _entry(binding: Binding, dtypes: Sequence[Any]) -> Entry | None:
    """Return the library's place in the cache; None if it can't have one."""
    folder, key_now = open_folder(), partial(_key, binding, dtypes)
    key = None if folder is None else key_now()
    return None if folder is None or key is None else Entry(folder, key, key_now, lambda _: None)


def _find(entry: Entry) -> Path | None:
    """Return the file of a library that is in the cache, and that the linker at hand has linked."""
    stored = entry.read()
    if not isinstance(stored, _Stored):
        return None
    try:
        is_same = stored.linked_by == linked_by(linker(target_of(None)))
    except MissingDependencyError:
        is_same = True  # another can't be made here
    return entry.folder.plain(stored.file) if is_same else None


@cache
def _this_processor() -> Target:
    """Return the machine at hand as a target of one level: the highest of those that its processor has."""
    target, features = target_of(None), llvm().get_host_cpu_features()
    for name, level in reversed([*target.levels.items()]):
        if all(features.get(one.removeprefix("+")) for one in level.features.split(",")):
            return replace(target, levels={name: level})
    return target


def _build(plugin: Plugin, schema: Mapping[str, Any], entry: Entry | None, label: str) -> Path:
    target = _this_processor()
    command = linker(target)
    function = compile_function(plugin, [schema], target)
    content = linked(plugin.name, [function], command, target)
    foreign = function.signatures[0].foreign
    if foreign is not None:
        _log.debug("%s: isn't kept in the cache: it calls `%s`, an overload", label, foreign)
    elif entry is not None and entry.is_current():
        path = entry.folder.write_plain(entry.key, target.suffix, content)
        if path is not None:
            entry.write(label, _Stored(path.name, linked_by(command)))
            return path
    name = f"{plugin.name}-{content_digest(content)}{target.suffix}"
    return write_file(own_folder(), name, content)


def _key(binding: Binding, dtypes: Sequence[Any]) -> str | None:
    """Return the key of a library: what its loops depend on, what they are linked with, and what errors say.

    None if something that it depends on can't be described.
    """
    plugin = binding.plugin
    names = [plugin.name, *(item.parameter.name for item in binding.items)]
    functions = [plugin.function]
    if plugin.stateful is not None:
        functions += [plugin.stateful.merge, plugin.stateful.finish, plugin.stateful.block]
    places = [list(_places(one)) for one in functions if one is not None]
    key = key_of_all(with_blocks(binding, dtypes), dtypes)
    if key is None:
        return None
    about = names, places, _carried(plugin), partitioned.PARTITION_ROWS
    return digest(key.encode(), repr(about).encode(), _sources())


def _carried(plugin: Plugin) -> str:
    """Return what tells the state before the first row from others of the same types."""
    return "" if plugin.stateful is None else repr(list(_values(plugin.stateful.init)))


def _values(state: Any) -> Iterator[Any]:
    if isinstance(state, tuple):
        for item in state:
            yield from _values(item)
    else:
        yield state.tobytes() if hasattr(state, "tobytes") else state


def _places(function: Any) -> Iterator[tuple[str, int, bytes]]:
    """Yield where the code of a function and of all that it calls stands: errors name file and line."""
    reader = Reader()
    reader.root(function)
    codes: list[CodeType] = [plain(one).__code__ for one in reader.called]
    while codes:
        code = codes.pop()
        yield PurePath(code.co_filename).name, code.co_firstlineno, code.co_linetable
        codes += [one for one in code.co_consts if isinstance(one, CodeType)]


@cache
def _sources() -> bytes:
    """Return a digest of what makes a library of loops."""
    files = [*sorted(Path(__file__).parent.glob("*.py")), *runtime_sources()]
    return digest(*(path.read_bytes() for path in files)).encode()
