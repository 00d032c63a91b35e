"""A kernel whose loops come from the cache; one that isn't there is compiled, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.kernel import Kernel, LoopVariant, MachineCode
from dataflare_vec.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.cache.entry import Entry

_log = get_logger(__name__)


class CachedKernel(Kernel):
    """A kernel with an entry in the cache.

    Parameters
    ----------
    name
        Of the plugin, for messages.
    entry
        Its files.
    has_full_form
        See `Kernel`.
    compile_
        Compiles it: for a loop that isn't in the cache, or because somebody wants to look at it. Raises if
        the result isn't of the types that are in the cache.
    compiled
        The kernel if it has just been compiled.
    """

    def __init__(
        self,
        name: str,
        entry: Entry,
        compile_: Callable[[], Any],
        *,
        has_full_form: bool,
        compiled: Any = None,
    ) -> None:
        super().__init__()
        self.has_full_form = has_full_form
        self.from_cache = compiled is None
        self._name = name
        self._entry: Entry | None = entry
        self._compile = compile_
        self._compiled = compiled
        self._retired: list[Any] = []  # loops that other threads may still be in

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
            self.has_full_form = compiled.has_full_form
        return compiled

    def _obtain(self, variant: LoopVariant) -> MachineCode:
        if self._entry is not None and self._compiled is None:
            code = self._entry.load(variant.label)
            if code is not None:
                _log.debug("`%s`: loop %s comes from the cache", self._name, variant.label)
                return code
        compiled = self.compiled
        code = compiled.machine_code(variant)
        entry = self._entry
        if entry is not None:
            # Its full form is compiled only now: from what it reads now.
            if entry.is_current():
                entry.store(variant.label, compiled.object_code(variant))
            else:
                self._entry = None
        assert isinstance(code, MachineCode)
        return code
