"""What a function captures, remembered as it was: whether something is another by now, found out cheaply.

A watch compares identities, and the contents of what can be changed in place. It costs some 30 ns for a name,
and an array as long as comparing its bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.definition.tables.frozen import held_by, is_held

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FunctionType

#: What a name stands for that isn't there.
MISSING = object()


class Watches:
    """The things that a walk over a function has come by, and what they were."""

    __slots__ = ("_bytes", "_cells", "_functions", "_items", "_made", "_names", "_seen", "_shapes")

    def __init__(self) -> None:
        # With the owners: as long as they live, no other can have their address.
        self._seen: dict[tuple[int, str], object] = {}
        self._names: list[tuple[Callable[[str, Any], Any], str, Any]] = []
        self._cells: list[tuple[Any, Any]] = []
        self._functions: list[tuple[FunctionType, Any, Any, Any]] = []
        self._shapes: list[tuple[Any, Any]] = []
        # `bytearray` compares with whatever has a buffer, without a copy of it.
        self._bytes: list[tuple[Callable[[Any], bool], Any]] = []
        self._items: list[tuple[Any, tuple[Any, ...]]] = []
        self._made: list[tuple[object, str, Any]] = []

    def _is_new(self, owner: object, name: str = "") -> bool:
        before = len(self._seen)
        self._seen[id(owner), name] = owner
        return len(self._seen) > before

    def name(self, owner: object, namespace: Mapping[str, Any], name: str) -> None:
        """Watch a name of the namespace of a module, a class or an object, whether it is there or not."""
        if self._is_new(owner, name):
            self._names.append((namespace.get, name, namespace.get(name, MISSING)))

    def made(self, owner: object, name: str) -> None:
        """Watch an attribute that is in no namespace: a module makes it on demand, or it has a slot."""
        if self._is_new(owner, name):
            self._made.append((owner, name, _attribute(owner, name)))

    def cell(self, cell: Any) -> None:
        """Watch a variable of an enclosing function."""
        if self._is_new(cell):
            self._cells.append((cell, _content(cell)))

    def function(self, function: FunctionType) -> None:
        """Watch what can be set of a function itself: its code and its defaults."""
        if self._is_new(function):
            defaults = function.__defaults__, function.__kwdefaults__
            self._functions.append((function, function.__code__, *defaults))

    def items(self, value: Any, held: tuple[Any, ...] | None = None) -> None:
        """Watch the items of a list, a dict or a set; ``held`` are these, if somebody has them."""
        if self._is_new(value):
            self._items.append((value, held_by(value) if held is None else held))

    def array(self, value: Any, *, content: bool) -> None:
        """Watch the shape of a NumPy array, and its bytes where they become a constant of machine code."""
        if not self._is_new(value):
            return
        self._shapes.append((value, _shape(value)))
        if content:
            import numpy as np

            flat = (value if value.flags.c_contiguous else value.T).reshape(-1).view(np.uint8)
            self._bytes.append((bytearray(flat).__eq__, flat))

    def record(self, value: Any) -> None:
        """Watch the bytes of a NumPy record."""
        if self._is_new(value):
            self._bytes.append((bytearray(value).__eq__, value))

    def changed(self) -> bool:
        """Whether something is another than it was."""
        for get, name, value in self._names:
            if get(name, MISSING) is not value:
                return True
        for function, code, defaults, kwdefaults in self._functions:
            if (
                function.__code__ is not code
                or function.__defaults__ is not defaults
                or function.__kwdefaults__ is not kwdefaults
            ):
                return True
        for cell, content in self._cells:
            if _content(cell) is not content:
                return True
        for array, shape in self._shapes:
            if _shape(array) != shape:
                return True
        for is_same, flat in self._bytes:
            if is_same(flat) is not True:
                return True
        for value, items in self._items:
            if not is_held(value, items):
                return True
        for owner, name, value in self._made:
            if _attribute(owner, name) is not value:
                return True
        return False


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def _attribute(owner: object, name: str) -> Any:
    try:
        return getattr(owner, name)
    except Exception:  # whatever the user's function raises
        return MISSING


def _shape(array: Any) -> tuple[Any, ...]:
    return array.shape, array.strides, array.dtype
