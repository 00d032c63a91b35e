"""Sites: expressions that this process has compiled, as Polars calls them without Python."""

from __future__ import annotations

import ctypes
import secrets
import struct
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import polars as pl
from polars.plugins import register_plugin_function

from dataflare_vec._util import forks
from dataflare_vec._util.logs import get_logger
from dataflare_vec.exceptions import BuildError
from dataflare_vec.polars_plugin import bridge as library
from dataflare_vec.polars_plugin.formats import dtype_of
from dataflare_vec.polars_plugin.in_memory import LOOPS, tables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflare_vec.engine.execution.fused_expressions import Compute, OneLoop
    from dataflare_vec.polars_plugin.in_memory import Tables

_log = get_logger(__name__)

#: So many different expressions have sites, which stay as long as the process: what is still in a plan of
#: Polars' isn't known. Further ones are called by Python.
_MOST_SITES = 4096

_MARK = b"dfv site"
_USE_BYTES = 16


class _Entry(ctypes.Structure):
    _fields_ = (("next", ctypes.c_void_p), ("function", ctypes.c_void_p))


class _Site:
    """What is compiled of some expressions, by the formats of the columns.

    Attributes
    ----------
    first : ctypes.c_void_p
        Where C finds the entries, one after the other.
    """

    def __init__(self) -> None:
        self.first = ctypes.c_void_p(None)
        self._known: dict[tuple[bytes, ...], bool | OneLoop] = {}  # or what isn't compiled yet
        self._kept: list[Any] = []

    @property
    def address(self) -> int:
        return ctypes.addressof(self.first)

    def has(self, formats: tuple[bytes, ...], compute: Compute) -> bool:
        """Whether there is an entry for columns of some formats; made now if its loop has been compiled.

        It isn't compiled for this: of few rows Polars computes the expressions itself in less time.
        """
        known = self._known.get(formats)
        if known is None:
            dtypes = [dtype_of(one.decode()) for one in formats]
            known = self._known[formats] = (None not in dtypes and compute.one_loop(dtypes)) or False
        if not isinstance(known, bool) and known.is_at_hand():
            direct, threads = known.direct(), compute.runtime.config.threads
            dtypes = [*known.schema.values()]
            tables = None if direct is None else tables_of(direct, compute.names, dtypes, threads)
            with _lock.held:  # not before: Polars was called, whose threads may be waiting for it
                if tables is not None and self._known[formats] is not True:
                    self._add(tables)
                self._known[formats] = tables is not None
        return self._known[formats] is True

    def _add(self, tables: Tables) -> None:
        entry = _Entry(self.first.value, ctypes.addressof(tables.function))
        self._kept += [tables, entry]
        _tables[ctypes.addressof(tables.signature)] = tables
        self.first.value = ctypes.addressof(entry)


class _Lock:
    """A lock that a fork's child has anew."""

    def __init__(self) -> None:
        self.renew_after_fork()
        forks.renew_in_child(self)

    def renew_after_fork(self) -> None:
        self.held = threading.RLock()


_lock = _Lock()
_sites: dict[Any, _Site] = {}
_tables: dict[int, Tables] = {}  # by the address of the signature
_uses: WeakValueDictionary[bytes, Use] = WeakValueDictionary()


class Use:
    """Expressions as one query, or several like it, uses them: what Polars calls, with or without Python.

    Parameters
    ----------
    compute
        What Python calls.
    key
        What it is known by, in all processes.
    bridge
        The library by which Polars calls it without Python.

    Attributes
    ----------
    first : tuple or None
        The formats of the columns that it was planned for first. Polars keeps the dtype which a function of
        Python's has then, and so what is compiled may not have another one.
    """

    def __init__(self, compute: Compute, key: bytes, bridge: library.Bridge) -> None:
        self.compute = compute
        self.key = key
        self.bridge = bridge
        self.first: tuple[bytes, ...] | None = None

    def __call__(self, series: Sequence[pl.Series]) -> pl.Series:
        """Return what Python computes."""
        return self.compute(series)

    def __reduce__(self) -> tuple[Any, ...]:
        return _sent, (self.compute, self.key, str(self.bridge.path))

    @cached_property
    def site(self) -> _Site | None:
        """Its expressions' site; None if there are too many, or they aren't known by what they are."""
        content = self.compute.content
        with _lock.held:
            found = _sites.get(content)
            if found is None and content is not None and len(_sites) < _MOST_SITES:
                found = _sites[content] = _Site()
            return found

    def may_run(self, formats: tuple[bytes, ...]) -> bool:
        """Whether Polars may run what is compiled for columns of some formats."""
        self.first = self.first or formats
        return self.first == formats and self.site is not None and self.site.has(formats, self.compute)

    def is_compiled(self, sources: Sequence[pl.Expr]) -> pl.Expr:
        """Return whether Polars may run it, which is known when it plans."""
        return pl.dtype_of(self._call("is_compiled", sources)) == pl.Boolean()

    def result(self, sources: Sequence[pl.Expr]) -> pl.Expr:
        """Return what Polars runs."""
        return self._call("compiled", sources)

    def _call(self, function: str, sources: Sequence[pl.Expr]) -> pl.Expr:
        assert self.site is not None
        said = _MARK + struct.pack("=qq", self.bridge.process, self.site.address) + self.key
        return register_plugin_function(
            plugin_path=self.bridge.path,
            function_name=function,
            args=sources,
            kwargs={"site": said},
            is_elementwise=True,
        )


def calls_of(compute: Compute) -> Use | None:
    """Return how Polars calls expressions without Python; None if it can't."""
    bridge = library.bridge(_CALLS)
    if bridge is None or compute.runtime.has_limit:
        return None
    use = _use_of(compute, secrets.token_bytes(_USE_BYTES), bridge)
    return None if use.site is None else use


def _use_of(compute: Compute, key: bytes, bridge: library.Bridge) -> Use:
    """Return a use of expressions: the one that this process knows by a key, if it does."""
    with _lock.held:
        found = _uses.get(key)
        if found is None:
            found = _uses[key] = Use(compute, key, bridge)
        return found


def _sent(compute: Compute, key: bytes, path: str) -> Use:
    """Return a use that comes out of a pickle, whose query calls the library at ``path``.

    Raises
    ------
    BuildError
        If that isn't there: the query can't run here, and Polars would only say so.
    """
    bridge = library.bridge_at(Path(path), _CALLS)
    if bridge is None:
        msg = f"a query that `fuse` has changed calls the library `{path}`, which can't be loaded here"
        hint = "pass `native=False` to `fuse` for a query that another machine is to run"
        raise BuildError(msg, hint=hint)
    return _use_of(compute, key, bridge)


def have_bridge() -> bool:
    """Wait until there is the library, if there can be; return whether there is."""
    return library.bridge(_CALLS, wait=True) is not None


def _plan(key: Any, formats: Any, count: int) -> int:
    use = _uses.get(key[:_USE_BYTES])
    return _tried(lambda: use is not None and use.may_run(tuple(formats[:count])))


def _site_of(key: Any) -> int:
    def find() -> int:
        use = _uses.get(key[:_USE_BYTES])
        return 0 if use is None or use.site is None else use.site.address

    return _tried(find)


def _obtain(signature: int, which: int) -> int:
    def find() -> int:
        tables, variant = _tables[signature], LOOPS[which]
        if variant.general and not tables.kernel.has_general_variant:
            return 0
        address = tables.kernel.address_of(variant)
        tables.signature.put(which, address)
        return address

    return _tried(find)


def _tried(find: Callable[[], int]) -> int:
    try:
        return find()
    except Exception:  # there is nobody above but Polars: it calls Python, or says that there is no loop
        _log.debug("expressions are left to Python", exc_info=True)
        return 0


_CALLS = library.Calls(_plan, _site_of, _obtain)
