"""Columns in and out of one call by compiled code: Arrow's C data interface in a microsecond.

`arrow.c_data` says what the structures are. What a call does there field by field takes as long as computing
a thousand rows.
"""

from __future__ import annotations

import ctypes
from array import array
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

from dataflare_vec.compiler.native.columns_code import CODE
from dataflare_vec.compiler.native.support import address_in_python, address_of, keep_for_ever

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: What compiled code calls of Python's, the names of capsules, and what it calls to let go of memory that is
#: lent, in this order.
_CALLS = ("PyTuple_GetItem", "PyCapsule_GetPointer", "PyTuple_New", "PyCapsule_New", "PyTuple_SetItem")
_NAMES = tuple(map(ctypes.create_string_buffer, (b"arrow_array_stream", b"arrow_schema", b"arrow_array")))
_LENDING = ("Py_IsInitialized", "PyGILState_Ensure", "PyGILState_Release", "Py_IncRef", "Py_DecRef")

#: Words of an `ArrowArray`; a flag of an `ArrowSchema`.
_ARRAY_WORDS, _NULLABLE = 10, 2

#: What `begin` returns if there is no memory; other negative numbers say that columns can't be borrowed.
NO_MEMORY = -3

#: For what a filter makes: which rows are wanted, all of them before it has looked.
MASK = 2


class _Functions(NamedTuple):
    end_array: int
    end_schema: int
    begin: Callable[[tuple[object, ...], int, int, int, bool, bool], int]
    end: Callable[[int, int, int], tuple[tuple[object, object], ...]]
    lend: Callable[[int, int, int, tuple[object, ...], int], int]


@cache
def functions() -> _Functions:
    """Return the functions. They keep the GIL: none takes long, and who lets go of it may wait for it."""
    found = (ctypes.c_uint64 * 5)()
    ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address_of("dfv.columns", CODE))(
        ctypes.addressof(found)
    )
    end_array, end_schema, begin, end, lend = found
    calls, lending = ([address_in_python(name) for name in names] for names in (_CALLS, _LENDING))
    words = (*calls, *map(ctypes.addressof, _NAMES), *lending)
    python = (ctypes.c_uint64 * len(words))(*words)
    keep_for_ever(python)  # columns that go when Python has look there
    pointer, integer, anything = ctypes.c_void_p, ctypes.c_int64, ctypes.py_object
    of_begin = ctypes.PYFUNCTYPE(integer, pointer, anything, pointer, pointer, integer, integer, integer)
    of_end = ctypes.PYFUNCTYPE(anything, pointer, pointer, pointer, integer)
    of_lend = ctypes.PYFUNCTYPE(integer, pointer, pointer, pointer, integer, anything, pointer)
    return _Functions(
        end_array,
        end_schema,
        partial(of_begin(begin), python),
        partial(of_end(end), python),
        partial(of_lend(lend), python),
    )


class Made(NamedTuple):
    """A column that a call makes."""

    name: str
    format: bytes  # Arrow's
    width: int  # bytes of a value, 0 for bits
    nullable: int  # 0 if only where what is read is null, 1 also elsewhere, `MASK` never
    are_texts: bool = False  # views, and the bytes of those that aren't in them


class CallState:
    """What the states of calls have in common.

    Parameters
    ----------
    words
        The first words of a loop's arguments, those of columns that are borrowed still unknown.
    borrowed
        Of each such column the first of its four words, and the bytes of a value: 0 for bits, less for views.
    made
        The columns whose words follow.
    more
        The words that follow these.

    Attributes
    ----------
    template : array
        The words of a state, as it begins.
    known : int
        Address of what the compiled functions have to know.
    arguments : int
        How many words are a loop's.
    """

    __slots__ = ("_known", "_strings", "_texts", "arguments", "known", "template")

    def __init__(
        self,
        words: Sequence[int],
        borrowed: Sequence[tuple[int, int]],
        made: Sequence[Made],
        more: Sequence[int],
    ) -> None:
        template = self.template = array("q", [*words, *[0] * (4 * len(made)), *more])
        self.arguments = len(template)
        arrays = self.arguments + _ARRAY_WORDS * len(borrowed)
        template.extend([0] * (arrays - self.arguments))
        self._strings = []
        for column in made:
            strings = ctypes.create_string_buffer(column.format + b"\0" + column.name.encode() + b"\0")
            self._strings.append(strings)
            at = ctypes.addressof(strings)
            end_array, end_schema = functions()[:2]
            template.extend([0, 0, 0, 4 if column.are_texts else 2, 0, 0, 0, 0, end_array, 0])
            template.extend([at, at + len(column.format) + 1, 0, _NULLABLE, 0, 0, 0, end_schema, 0])
        places = [word for pair in borrowed for word in pair]
        kinds = [word for column in made for word in (column.width, column.nullable, 0)]
        known = [len(borrowed), len(made), self.arguments, arrays, len(words), *places, *kinds]
        first = len(known) - len(kinds) + 2
        self._texts = [first + 3 * i for i, column in enumerate(made) if column.are_texts]
        self._known = array("q", known)
        self.known = self._known.buffer_info()[0]

    def give_room(self, row_bytes: int) -> None:
        """Say how many bytes a row columns of texts have room for."""
        for place in self._texts:
            self._known[place] = row_bytes
