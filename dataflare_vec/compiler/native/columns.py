"""Columns' buffers by compiled code: Arrow's C data interface for calls of a few microseconds.

`arrow.c_data` says what the structures are. What a call does there field by field takes as long as computing
a thousand rows.
"""

from __future__ import annotations

import ctypes
from array import array
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec.arrow.c_data import Allocator
from dataflare_vec.compiler.native.support import address_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# An array's private data is the one piece of memory it consists of, from ``malloc``. Compiled code ends its
# life, because a column may be dropped by any thread, and when Python has gone.
#
# `borrow` is called with the GIL. For each stream of one column it gets the first array and, if there is no
# second one, writes the four arguments of a loop: address of the values, bit offset of values that are bits,
# address and bit offset of the validity, if some value is null.
_CODE = """
declare ptr @malloc(i64)
declare void @free(ptr)

define internal void @end_array(ptr %array) {
  %release = getelementptr i8, ptr %array, i64 64
  store ptr null, ptr %release
  %private = getelementptr i8, ptr %array, i64 72
  %memory = load ptr, ptr %private
  call void @free(ptr %memory)
  ret void
}

define internal void @end_schema(ptr %schema) {
  %release = getelementptr i8, ptr %schema, i64 56
  store ptr null, ptr %release
  ret void
}

define internal ptr @allocate(i64 %before, i64 %nbytes) {
  %memory = call ptr @malloc(i64 %nbytes)
  %none = icmp eq ptr %memory, null
  br i1 %none, label %done, label %fill

fill:
  %nullable = icmp ugt i64 %before, 64
  %bitmap = getelementptr i8, ptr %memory, i64 64
  %validity = select i1 %nullable, ptr %bitmap, ptr null
  store ptr %validity, ptr %memory
  %values = getelementptr i8, ptr %memory, i64 %before
  %second = getelementptr i8, ptr %memory, i64 8
  store ptr %values, ptr %second
  br label %done

done:
  ret ptr %memory
}

define internal i64 @discard(ptr %memory) {
  call void @free(ptr %memory)
  ret i64 0
}

define internal void @give_back(ptr %array) {
  %at = getelementptr i8, ptr %array, i64 64
  %release = load ptr, ptr %at
  %gone = icmp eq ptr %release, null
  br i1 %gone, label %done, label %end

end:
  call void %release(ptr %array)
  br label %done

done:
  ret void
}

define internal ptr @export(ptr %python, ptr %array) {
  %new.at = getelementptr ptr, ptr %python, i64 2
  %new = load ptr, ptr %new.at
  %capsule.at = getelementptr ptr, ptr %python, i64 3
  %capsule = load ptr, ptr %capsule.at
  %set.at = getelementptr ptr, ptr %python, i64 4
  %set = load ptr, ptr %set.at
  %schema.name.at = getelementptr ptr, ptr %python, i64 6
  %schema.name = load ptr, ptr %schema.name.at
  %array.name.at = getelementptr ptr, ptr %python, i64 7
  %array.name = load ptr, ptr %array.name.at
  %pair = call ptr %new(i64 2)
  %none = icmp eq ptr %pair, null
  br i1 %none, label %done, label %fill

fill:
  %schema = getelementptr i8, ptr %array, i64 80
  %first = call ptr %capsule(ptr %schema, ptr %schema.name, ptr null)
  %second = call ptr %capsule(ptr %array, ptr %array.name, ptr null)
  %set.first = call i32 %set(ptr %pair, i64 0, ptr %first)
  %set.second = call i32 %set(ptr %pair, i64 1, ptr %second)
  br label %done

done:
  ret ptr %pair
}

define internal i64 @give_all_back(ptr %arrays, i64 %count) {
entry:
  br label %each

each:
  %i = phi i64 [ 0, %entry ], [ %next, %one ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %one, label %done

one:
  %offset = mul i64 %i, 80
  %array = getelementptr i8, ptr %arrays, i64 %offset
  call void @give_back(ptr %array)
  %next = add i64 %i, 1
  br label %each

done:
  ret i64 0
}

define internal i64 @borrow(ptr %python, ptr %capsules, ptr %places, i64 %count, ptr %arrays, ptr %words) {
entry:
  %rest = alloca [80 x i8], align 8
  %rest.release = getelementptr i8, ptr %rest, i64 64
  %item = load ptr, ptr %python
  %pointer.at = getelementptr ptr, ptr %python, i64 1
  %pointer = load ptr, ptr %pointer.at
  %name.at = getelementptr ptr, ptr %python, i64 5
  %name = load ptr, ptr %name.at
  br label %each

each:
  %i = phi i64 [ 0, %entry ], [ %next, %write ]
  %nulls = phi i64 [ 0, %entry ], [ %nulls.now, %write ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %one, label %done

one:
  %capsule = call ptr %item(ptr %capsules, i64 %i)
  %stream = call ptr %pointer(ptr %capsule, ptr %name)
  %none = icmp eq ptr %stream, null
  br i1 %none, label %failed, label %first

first:
  %get.at = getelementptr i8, ptr %stream, i64 8
  %get = load ptr, ptr %get.at
  %offset = mul i64 %i, 80
  %array = getelementptr i8, ptr %arrays, i64 %offset
  %error = call i32 %get(ptr %stream, ptr %array)
  %right = icmp eq i32 %error, 0
  br i1 %right, label %second, label %failed

second:
  store ptr null, ptr %rest.release
  %rest.error = call i32 %get(ptr %stream, ptr %rest)
  %rest.right = icmp eq i32 %rest.error, 0
  br i1 %rest.right, label %look, label %failed

look:
  %other = load ptr, ptr %rest.release
  %alone = icmp eq ptr %other, null
  br i1 %alone, label %write, label %several

several:
  call void @give_back(ptr %rest)
  ret i64 -1

failed:
  ret i64 -2

write:
  %nulls.at = getelementptr i8, ptr %array, i64 8
  %null.count = load i64, ptr %nulls.at
  %skip.at = getelementptr i8, ptr %array, i64 16
  %skip = load i64, ptr %skip.at
  %buffers.at = getelementptr i8, ptr %array, i64 40
  %buffers = load ptr, ptr %buffers.at
  %bitmap = load ptr, ptr %buffers
  %values.at = getelementptr i8, ptr %buffers, i64 8
  %values = load ptr, ptr %values.at
  %has.nulls = icmp ne i64 %null.count, 0
  %validity = select i1 %has.nulls, ptr %bitmap, ptr null
  %nulls.here = zext i1 %has.nulls to i64
  %nulls.now = or i64 %nulls, %nulls.here

  %i2 = mul i64 %i, 2
  %place.at = getelementptr i64, ptr %places, i64 %i2
  %place = load i64, ptr %place.at
  %width.at = getelementptr i64, ptr %place.at, i64 1
  %width = load i64, ptr %width.at
  %skipped = mul i64 %skip, %width
  %start = getelementptr i8, ptr %values, i64 %skipped
  %bits = icmp eq i64 %width, 0
  %bit = select i1 %bits, i64 %skip, i64 0
  %word.0 = getelementptr i64, ptr %words, i64 %place
  store ptr %start, ptr %word.0
  %word.1 = getelementptr i64, ptr %word.0, i64 1
  store i64 %bit, ptr %word.1
  %word.2 = getelementptr i64, ptr %word.0, i64 2
  store ptr %validity, ptr %word.2
  %word.3 = getelementptr i64, ptr %word.0, i64 3
  store i64 %skip, ptr %word.3
  %next = add i64 %i, 1
  br label %each

done:
  ret i64 %nulls
}

define i64 @dfv.columns(ptr %addresses) {
  store ptr @end_array, ptr %addresses
  %at.1 = getelementptr ptr, ptr %addresses, i64 1
  store ptr @end_schema, ptr %at.1
  %at.2 = getelementptr ptr, ptr %addresses, i64 2
  store ptr @allocate, ptr %at.2
  %at.3 = getelementptr ptr, ptr %addresses, i64 3
  store ptr @discard, ptr %at.3
  %at.4 = getelementptr ptr, ptr %addresses, i64 4
  store ptr @export, ptr %at.4
  %at.5 = getelementptr ptr, ptr %addresses, i64 5
  store ptr @borrow, ptr %at.5
  %at.6 = getelementptr ptr, ptr %addresses, i64 6
  store ptr @give_all_back, ptr %at.6
  ret i64 0
}
"""

#: What compiled code calls of Python's, and the names of capsules, in this order.
_CALLS = ("PyTuple_GetItem", "PyCapsule_GetPointer", "PyTuple_New", "PyCapsule_New", "PyTuple_SetItem")
_NAMES = tuple(map(ctypes.create_string_buffer, (b"arrow_array_stream", b"arrow_schema", b"arrow_array")))
_ARRAY_BYTES = 80


class _Functions(NamedTuple):
    allocator: Allocator
    borrow: Callable[[object, int, int, int, int], int]
    give_back: Callable[[int, int], int]


@cache
def functions() -> _Functions:
    """Return the functions. They keep the GIL: none takes long, and who lets go of it may wait for it."""
    found = (ctypes.c_uint64 * 7)()
    ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address_of("dfv.columns", _CODE))(
        ctypes.addressof(found)
    )
    end_array, end_schema, allocate, discard, export, borrow, give_back = found
    python = (ctypes.c_uint64 * (len(_CALLS) + len(_NAMES)))(
        *(ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in _CALLS),
        *map(ctypes.addressof, _NAMES),
    )
    pointer, integer, any_object = ctypes.c_void_p, ctypes.c_int64, ctypes.py_object
    of_export = ctypes.PYFUNCTYPE(any_object, pointer, pointer)(export)
    of_borrow = ctypes.PYFUNCTYPE(integer, pointer, any_object, pointer, integer, pointer, pointer)(borrow)
    allocator = Allocator(
        end_array,
        end_schema,
        ctypes.PYFUNCTYPE(pointer, integer, integer)(allocate),
        ctypes.PYFUNCTYPE(integer, pointer)(discard),
        partial(of_export, python),
    )
    give_all_back = ctypes.PYFUNCTYPE(integer, pointer, integer)(give_back)
    return _Functions(allocator, partial(of_borrow, python), give_all_back)


class Borrower:
    """Where the columns of a call go in an argument buffer; their values are of fixed widths, or bits.

    Parameters
    ----------
    words
        The argument buffer, with what is the same in each call.
    places
        The first of the four arguments of each column.
    widths
        Bytes of a value of each, 0 for bits.
    """

    __slots__ = ("_address", "_arrays", "_borrow", "_count", "_give_back", "_places", "_words")

    def __init__(self, words: array[int], places: Sequence[int], widths: Sequence[int]) -> None:
        _, self._borrow, self._give_back = functions()
        self._words = words
        self._places = array("q", [word for pair in zip(places, widths, strict=True) for word in pair])
        self._address = self._places.buffer_info()[0]
        self._count = len(places)
        self._arrays = ctypes.c_char * (_ARRAY_BYTES * self._count)

    def borrow(self, columns: Sequence[Any]) -> BorrowedColumns | None:
        """Return where columns lie; None if one of them is of several pieces."""
        borrowed = BorrowedColumns()
        arrays = borrowed.arrays = self._arrays()
        at = borrowed.at = ctypes.addressof(arrays)
        words = borrowed.words = self._words[:]
        borrowed.count, borrowed.give_back = self._count, self._give_back
        capsules = tuple([column.__arrow_c_stream__() for column in columns])  # streams end with them
        nulls = self._borrow(capsules, self._address, self._count, at, words.buffer_info()[0])
        if nulls < 0:
            return None
        borrowed.has_nulls = nulls > 0
        return borrowed


class BorrowedColumns:
    """Columns of one call. Their buffers stay where they are as long as it lives.

    Attributes
    ----------
    words : array
        The argument buffer, as far as parameters go.
    has_nulls : bool
        Whether one of them has nulls.
    """

    __slots__ = ("arrays", "at", "count", "give_back", "has_nulls", "words")

    arrays: Any
    at: int
    count: int
    give_back: Callable[[int, int], int]
    has_nulls: bool
    words: array[int]

    def __del__(self) -> None:
        self.give_back(self.at, self.count)
