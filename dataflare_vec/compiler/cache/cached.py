"""A kernel whose loops come from the cache, or are kept there once they are compiled."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.logs import get_logger
from dataflare_vec.compiler.kernel import Kernel, LoopVariant, MachineCode
from dataflare_vec.exceptions import KernelCompileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.cache.entry import Entry

    #: Compiles a kernel; returns it, and what is known of it.
    Compile = Callable[[], tuple[Any, tuple[Any, ...]]]

_log = get_logger(__name__)


def load(name: str, entry: Entry, compile_: Compile) -> tuple[Kernel, tuple[Any, ...]] | None:
    """Return a kernel and what is known of it from the cache; None if it isn't there.

    Parameters
    ----------
    name
        Of the plugin, for messages.
    entry
        Its place in the cache.
    compile_
        Called for a loop that isn't there, or because somebody wants to look at it.
    """
    stored = entry.read()
    if stored is None:
        return None
    has_general_variant, known = stored
    same = partial(_compile_same, name, compile_, known)
    return CachedKernel(name, entry, same, has_general_variant=has_general_variant), known


def keep(
    name: str, label: str, entry: Entry, compile_: Compile, compiled: Kernel, known: tuple[Any, ...]
) -> Kernel:
    """Return a kernel that has just been compiled as one with a place in the cache, if it may be kept.

    Parameters
    ----------
    name, entry, compile_
        See `load`.
    label
        What the kernel is called in a list of the cache.
    compiled, known
        What was compiled, and what is known of it.
    """
    if not _may_keep(name, compiled, entry):
        return compiled
    entry.write(label, (compiled.has_general_variant, known))
    same = partial(_compile_same, name, compile_, known)
    return CachedKernel(
        name, entry, same, has_general_variant=compiled.has_general_variant, compiled=compiled
    )


def _may_keep(name: str, compiled: Any, entry: Entry) -> bool:
    """Whether a compiled kernel is what its key says."""
    foreign = compiled.foreign_code()
    if foreign:
        _log.debug("`%s`: isn't kept in the cache: it calls `%s`, an overload", name, foreign)
    return not foreign and entry.is_current()


def _compile_same(name: str, compile_: Compile, known: tuple[Any, ...]) -> Any:
    """Return the compiled kernel of one that came from the cache.

    Raises
    ------
    KernelCompileError
        If its columns aren't the same, because something that it reads has changed since.
    """
    compiled, now = compile_()
    if now != known:
        msg = (
            "a global or a function that it reads has changed since it was loaded, and with it the types of "
            "its results"
        )
        raise KernelCompileError(msg, plugin=name, hint="register the plugin again")
    return compiled


class CachedKernel(Kernel):
    """A kernel with an entry in the cache.

    Parameters
    ----------
    name
        Of the plugin, for messages.
    entry
        Its files.
    has_general_variant
        See `Kernel`.
    compile_
        Compiles it: for a loop that isn't in the cache, or because somebody wants to look at it. Raises if
        the result isn't of the types that are in the cache.
    compiled
        The kernel if it has just been compiled.
    mark
        Tells apart the files of its loops from those of another kernel with the same entry.
    """

    def __init__(
        self,
        name: str,
        entry: Entry,
        compile_: Callable[[], Any],
        *,
        has_general_variant: bool,
        compiled: Any = None,
        mark: str = "",
    ) -> None:
        super().__init__()
        self.has_general_variant = has_general_variant
        self.from_cache = compiled is None
        self._name = name
        self._entry: Entry | None = entry
        self._compile = compile_
        self._compiled = compiled
        self._mark = mark
        self._retired: list[Any] = []  # loops that other threads may still be in

    @property
    def entry(self) -> Entry | None:
        """Its files; None if something that it reads has changed since."""
        return self._entry

    @cached_property
    def by_key(self) -> Kernel:
        """The same with one state for each key."""
        if self._entry is None:
            by_key: Kernel = self.compiled.by_key
            return by_key
        return CachedKernel(
            self._name,
            self._entry,
            lambda: self.compiled.by_key,
            has_general_variant=False,
            compiled=None if self._compiled is None else self._compiled.by_key,
            mark="keyed.",
        )

    @property
    def compiled(self) -> Any:
        """What Numba made of it; compiled now if it came from the cache."""
        with self._lock:
            if self._compiled is None:
                self._compiled = self._compile_anew()
            return self._compiled

    def _compile_anew(self) -> Any:
        entry = self._entry
        compiled = self._compile()
        if entry is not None and not entry.is_current():
            # A global that it reads has changed since it was loaded: its loops must all be of one time.
            self._entry = None
            self._retired.append(self._code)
            self._code, self._loops, self._callables = {}, {}, {}
            self.has_general_variant = compiled.has_general_variant
        return compiled

    def _obtain(self, variant: LoopVariant) -> MachineCode:
        label = self._mark + variant.label
        if self._entry is not None and self._compiled is None:
            code = self._entry.load(label)
            if code is not None:
                _log.debug("`%s`: loop %s comes from the cache", self._name, label)
                return code
        compiled = self.compiled
        code = compiled.machine_code(variant)
        entry = self._entry
        if entry is not None:
            # Its general variant is compiled only now: from what it reads now.
            if entry.is_current():
                entry.store(label, compiled.object_code(variant))
            else:
                self._entry = None
        assert isinstance(code, MachineCode)
        return code
