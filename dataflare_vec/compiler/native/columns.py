"""Columns' buffers by compiled code: Arrow's C data interface for calls of a few microseconds.

`arrow.c_data` says what the structures are. What a call does there field by field takes as long as computing
a thousand rows.
"""

from __future__ import annotations

import ctypes
from array import array
from functools import cache
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

define internal i64 @borrow(ptr %capsules, ptr %known, ptr %arrays, ptr %words) {
entry:
  %rest = alloca [80 x i8], align 8
  %rest.release = getelementptr i8, ptr %rest, i64 64
  %item = load ptr, ptr %known
  %known.1 = getelementptr i64, ptr %known, i64 1
  %pointer = load ptr, ptr %known.1
  %known.2 = getelementptr i64, ptr %known, i64 2
  %name = load ptr, ptr %known.2
  %known.3 = getelementptr i64, ptr %known, i64 3
  %count = load i64, ptr %known.3
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
  %place.index = add i64 %i2, 4
  %place.at = getelementptr i64, ptr %known, i64 %place.index
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
  store ptr @borrow, ptr %at.4
  %at.5 = getelementptr ptr, ptr %addresses, i64 5
  store ptr @give_all_back, ptr %at.5
  ret i64 0
}
"""

_STREAM = b"arrow_array_stream"
_ARRAY_BYTES = 80


class _Functions(NamedTuple):
    allocator: Allocator
    borrow: Callable[[object, int, int, int], int]
    give_back: Callable[[int, int], int]


@cache
def functions() -> _Functions:
    """Return the functions. They keep the GIL: none takes long, and who lets go of it may wait for it."""
    addresses = (ctypes.c_uint64 * 6)()
    ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address_of("dfv.columns", _CODE))(
        ctypes.addressof(addresses)
    )
    end_array, end_schema, allocate, discard, borrow, give_back = addresses
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    allocator = Allocator(
        end_array,
        end_schema,
        ctypes.PYFUNCTYPE(pointer, integer, integer)(allocate),
        ctypes.PYFUNCTYPE(integer, pointer)(discard),
    )
    return _Functions(
        allocator,
        ctypes.PYFUNCTYPE(integer, ctypes.py_object, pointer, pointer, pointer)(borrow),
        ctypes.PYFUNCTYPE(integer, pointer, integer)(give_back),
    )


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class Borrower:
    """Where the columns of a call go in an argument buffer; their values are of fixed widths, or bits.

    Parameters
    ----------
    places
        The first of the four arguments of each column.
    widths
        Bytes of a value of each, 0 for bits.
    """

    __slots__ = ("_borrow", "_give_back", "_known", "_name", "address", "arrays", "count")

    def __init__(self, places: Sequence[int], widths: Sequence[int]) -> None:
        calls = functions()
        self._borrow, self._give_back = calls.borrow, calls.give_back
        self._name = ctypes.create_string_buffer(_STREAM)
        python = ctypes.pythonapi
        self._known = array(
            "q",
            [
                _address(python.PyTuple_GetItem),
                _address(python.PyCapsule_GetPointer),
                ctypes.addressof(self._name),
                len(places),
                *(word for pair in zip(places, widths, strict=True) for word in pair),
            ],
        )
        self.address = self._known.buffer_info()[0]
        self.count = len(places)
        self.arrays = ctypes.c_char * (_ARRAY_BYTES * self.count)

    def borrow(self, columns: Sequence[Any], words: array[int]) -> BorrowedColumns | None:
        """Write where columns lie into an argument buffer; None if one of them is of several pieces.

        Returns
        -------
        BorrowedColumns
            The buffers stay where they are as long as it lives.
        """
        arrays = self.arrays()
        borrowed = BorrowedColumns(arrays, self.count, self._give_back)
        capsules = tuple([column.__arrow_c_stream__() for column in columns])  # streams end with them
        nulls = self._borrow(capsules, self.address, ctypes.addressof(arrays), words.buffer_info()[0])
        if nulls < 0:
            return None
        borrowed.has_nulls = nulls > 0
        return borrowed


class BorrowedColumns:
    """The Arrow arrays of some columns.

    Attributes
    ----------
    has_nulls : bool
        Whether one of them has nulls.
    """

    __slots__ = ("_arrays", "_count", "_give_back", "has_nulls")

    def __init__(self, arrays: Any, count: int, give_back: Callable[[int, int], int]) -> None:
        self._arrays = arrays
        self._count = count
        self._give_back = give_back
        self.has_nulls = False

    def __del__(self) -> None:
        self._give_back(ctypes.addressof(self._arrays), self._count)
