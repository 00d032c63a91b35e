"""The library by which Polars calls what this process has compiled: in the cache, built there once."""

from __future__ import annotations

import ctypes
import secrets
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from polars.plugins import register_plugin_function

from dataflare_vec._util import forks
from dataflare_vec._util.logs import get_logger
from dataflare_vec.compiler.cache.entry import digest
from dataflare_vec.compiler.cache.folder import open_folder
from dataflare_vec.exceptions import DataFlareError
from dataflare_vec.polars_plugin.in_memory import SIZES
from dataflare_vec.polars_plugin.library import name_library
from dataflare_vec.polars_plugin.linker import link, linker, runtime_sources
from dataflare_vec.polars_plugin.targets import target_of, this_machine

if TYPE_CHECKING:
    from collections.abc import Callable

_log = get_logger(__name__)

_SOURCE = Path(__file__).parent / "runtime" / "bridge" / "bridge.c"
#: Ending of a file of the cache: the name of the library.
_NAME = ".bridge"

_PLAN = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.POINTER(ctypes.c_char), ctypes.POINTER(ctypes.c_char_p), ctypes.c_int64
)
_SITE_OF = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.POINTER(ctypes.c_char))
_OBTAIN = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


class Calls(NamedTuple):
    """What the library calls, from any thread of Polars'; none of them may raise.

    Attributes
    ----------
    plan
        Returns whether a use of a site may run what is compiled for columns of some formats.
    site_of
        Returns the site of a use that comes from another process, 0 if it isn't known.
    obtain
        Returns the address of a loop, by that of its signature and its number; 0 if there is none.
    """

    plan: Callable[[Any, Any, int], int]
    site_of: Callable[[Any], int]
    obtain: Callable[[int, int], int]


class Bridge(NamedTuple):
    """The library, loaded.

    Attributes
    ----------
    path
        The file.
    process
        What tells this process from others, to the library.
    """

    path: Path
    process: int
    kept: tuple[Any, ...]


class _State:
    """What this process has of the library."""

    def __init__(self) -> None:
        self.bridge: Bridge | None = None
        self.builder: threading.Thread | None = None
        self.is_hopeless = sys.platform == "win32"  # its threads are POSIX'
        self.renew_after_fork()
        forks.renew_in_child(self)

    def renew_after_fork(self) -> None:
        """Have a lock that no thread holds, and no thread that builds."""
        self.lock = threading.Lock()
        if self.builder is not None:
            self.builder, self.is_hopeless = None, True


_state = _State()
_opened: dict[Path, Bridge | None] = {}
#: What tells this process from others, to the library.
_PROCESS = secrets.randbits(62) | 1


def bridge(calls: Calls, *, wait: bool = False) -> Bridge | None:
    """Return the library; None if there is none, or none yet.

    Where it isn't in the cache another thread builds it, which takes a second or two; so it is the next
    queries that have it. So it is if the cache has been cleared: Polars has loaded the library, and yet looks
    for its file in each query.

    Parameters
    ----------
    calls
        The same ones always.
    wait
        Whether to wait for it.
    """
    found = _state.bridge
    if found is not None and not found.path.is_file():
        with _state.lock:
            if _state.bridge is found:
                _state.bridge = _state.builder = None
    if _state.bridge is None and not _state.is_hopeless:
        with _state.lock:
            if _state.bridge is None and not _state.is_hopeless and _state.builder is None:
                _find_or_begin(calls)
        builder = _state.builder
        if wait and builder is not None:
            builder.join()
    return _state.bridge


def bridge_at(path: Path, calls: Calls) -> Bridge | None:
    """Return the library at a path, which a query from another process calls; None if it isn't there."""
    with _state.lock:
        if _opened.get(path) is None:
            _opened[path] = _open(path, calls)
        return _opened[path]


def _find_or_begin(calls: Calls) -> None:
    path = _found()
    if path is not None:
        _state.bridge = _kept(path, calls)
    elif open_folder() is None:
        _hope_no_more("there is no cache to keep it in")
    else:
        _state.builder = threading.Thread(target=_build, args=[calls], name="dataflare_vec bridge")
        _state.builder.start()


def _build(calls: Calls) -> None:
    try:
        path = _built()
        if path is None:
            _hope_no_more("the cache can't be written")
        else:
            _state.bridge = _kept(path, calls)
    except (DataFlareError, OSError) as error:
        _hope_no_more(str(error))


def _hope_no_more(reason: str) -> None:
    _log.debug("expressions run by Python in lazy queries: %s", reason)
    _state.is_hopeless = True


@cache
def _key() -> str:
    sources = [*runtime_sources(), _SOURCE]
    return digest(this_machine().encode(), *(path.read_bytes() for path in sources)) + _NAME


def _found() -> Path | None:
    folder = open_folder()
    name = None if folder is None else folder.read(_key())
    return None if folder is None or name is None else folder.plain(name.decode())


def _built() -> Path | None:
    """Build the library into the cache; return its path, None if it can't be written.

    Raises
    ------
    BuildError, MissingDependencyError
        If it can't be built.
    """
    folder, target = open_folder(), target_of(None)
    content = link(_SOURCE.read_text(encoding="ascii"), {}, linker(target), target)
    stem = _key().removesuffix(_NAME)
    path = None if folder is None else folder.write_plain(stem, target.suffix, content)
    if folder is not None and path is not None:
        folder.write(_key(), path.name.encode())
    return path


def _kept(path: Path, calls: Calls) -> Bridge | None:
    found = _opened[path] = _open(path, calls)
    if found is None:
        _hope_no_more(f"`{path}` can't be loaded")
    return found


def _open(path: Path, calls: Calls) -> Bridge | None:
    """Load a library, and tell it what it is to call; None if that can't be, or it is another version's."""
    try:
        library = ctypes.CDLL(str(path))
        opened = library.dfv_bridge_open
    except (OSError, AttributeError) as error:
        _log.debug("`%s` isn't loaded: %s", path, error)
        return None
    callbacks = (_PLAN(calls.plan), _SITE_OF(calls.site_of), _OBTAIN(calls.obtain))
    opened.restype = ctypes.c_int64
    opened.argtypes = [ctypes.c_int64, *map(type, callbacks)]
    if opened(_PROCESS, *callbacks) != SIZES:
        return None
    _have_polars_load(path)
    name_library(path.name, lambda _: "expressions of a call of `fuse`")
    return Bridge(path, _PROCESS, (library, callbacks))


def _have_polars_load(path: Path) -> None:
    """Have Polars load the library, of which it then needs no file: the cache may be cleared."""
    call = register_plugin_function(plugin_path=path, function_name="compiled", args=["x"])
    with suppress(pl.exceptions.PolarsError):  # which says that there is no such site
        pl.LazyFrame(schema={"x": pl.Int8}).select(call).collect_schema()
