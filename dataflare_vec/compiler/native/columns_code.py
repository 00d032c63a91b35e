"""LLVM IR of `compiler.native.columns`: columns are borrowed, made and handed on."""

# An array's private data is the one piece of memory it consists of, from ``malloc``: the addresses of its two
# buffers, then the buffers. Compiled code ends its life, because a column may be dropped by any thread, and
# when Python has gone. Where a pool lends the buffers, the object that holds them follows the addresses, and
# the address of what is called of Python's.
#
# A call has a state, of words: those that its loop is called with, an Arrow array for each column that it
# borrows, an Arrow array and a schema for each that it makes. What is the same in each call is in ``known``:
# how many columns are borrowed and made; where their arrays begin, and where a loop looks for the latter;
# of each borrowed one where a loop looks for it, and bytes of a value, 0 for bits; of each made one bytes of
# a value, and whether it has nulls: 0 where a borrowed one has, 1 perhaps by itself, 2 for a mask, which is
# all ones at first and never null.
CODE = """
declare ptr @malloc(i64)
declare void @free(ptr)
declare ptr @memset(ptr, i32, i64)

define internal void @end_array(ptr %array) {
  %release = getelementptr i8, ptr %array, i64 64
  store ptr null, ptr %release
  %private = getelementptr i8, ptr %array, i64 72
  %memory = load ptr, ptr %private
  call void @free(ptr %memory)
  ret void
}

define internal void @end_lent(ptr %array) {
  %release.at = getelementptr i8, ptr %array, i64 64
  store ptr null, ptr %release.at
  %private.at = getelementptr i8, ptr %array, i64 72
  %private = load ptr, ptr %private.at
  %python.at = getelementptr i8, ptr %private, i64 24
  %python = load ptr, ptr %python.at
  %is.there.at = getelementptr ptr, ptr %python, i64 8
  %is.there = load ptr, ptr %is.there.at
  %there = call i32 %is.there()
  %gone = icmp eq i32 %there, 0
  br i1 %gone, label %done, label %let.go

let.go:
  %ensure.at = getelementptr ptr, ptr %python, i64 9
  %ensure = load ptr, ptr %ensure.at
  %release.gil.at = getelementptr ptr, ptr %python, i64 10
  %release.gil = load ptr, ptr %release.gil.at
  %drop.at = getelementptr ptr, ptr %python, i64 12
  %drop = load ptr, ptr %drop.at
  %lent.at = getelementptr i8, ptr %private, i64 16
  %lent = load ptr, ptr %lent.at
  %before = call i32 %ensure()
  call void %drop(ptr %lent)
  call void %release.gil(i32 %before)
  br label %done

done:
  call void @free(ptr %private)
  ret void
}

define internal void @end_schema(ptr %schema) {
  %release = getelementptr i8, ptr %schema, i64 56
  store ptr null, ptr %release
  ret void
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

; Get the first array of each stream, if there is no second one, and write the four arguments of a loop:
; address of the values, bit offset of values that are bits, address and bit offset of the validity. Returns
; whether there are nulls, -1 for several arrays, -2 if Polars says no.
define internal i64 @borrow(ptr %python, ptr %capsules, ptr %known, ptr %state) {
entry:
  %rest = alloca [80 x i8], align 8
  %rest.release = getelementptr i8, ptr %rest, i64 64
  %item = load ptr, ptr %python
  %pointer.at = getelementptr ptr, ptr %python, i64 1
  %pointer = load ptr, ptr %pointer.at
  %name.at = getelementptr ptr, ptr %python, i64 5
  %name = load ptr, ptr %name.at
  %count = load i64, ptr %known
  %arrays.at = getelementptr i64, ptr %known, i64 2
  %arrays.place = load i64, ptr %arrays.at
  %arrays = getelementptr i64, ptr %state, i64 %arrays.place
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
  %of = add i64 %i2, 5
  %place.at = getelementptr i64, ptr %known, i64 %of
  %place = load i64, ptr %place.at
  %width.at = getelementptr i64, ptr %place.at, i64 1
  %width = load i64, ptr %width.at
  %skipped = mul i64 %skip, %width
  %start = getelementptr i8, ptr %values, i64 %skipped
  %bits = icmp eq i64 %width, 0
  %bit = select i1 %bits, i64 %skip, i64 0
  %word.0 = getelementptr i64, ptr %state, i64 %place
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

; Write where the buffers are of the column made as number ``i``, for the loop and in its array: what is the
; array's own begins with their addresses.
define internal void @describe(ptr %words, i64 %i, ptr %array, ptr %private, i64 %rows) {
  %validity = load ptr, ptr %private
  %values.at = getelementptr ptr, ptr %private, i64 1
  %values = load ptr, ptr %values.at
  %i4 = mul i64 %i, 4
  %word.0 = getelementptr i64, ptr %words, i64 %i4
  store ptr %values, ptr %word.0
  %word.2 = getelementptr i64, ptr %word.0, i64 2
  store ptr %validity, ptr %word.2

  store i64 %rows, ptr %array
  %has.nulls = icmp ne ptr %validity, null
  %unknown = sext i1 %has.nulls to i64
  %nulls.at = getelementptr i8, ptr %array, i64 8
  store i64 %unknown, ptr %nulls.at
  %buffers.at = getelementptr i8, ptr %array, i64 40
  store ptr %private, ptr %buffers.at
  %private.at = getelementptr i8, ptr %array, i64 72
  store ptr %private, ptr %private.at
  ret void
}

; Get memory for each column that is made, and write where a loop and an Arrow array have it. Returns -3 if
; there is none, else what it was given.
define internal i64 @allocate(ptr %known, ptr %state, i64 %rows, i64 %nulls) {
entry:
  %borrowed = load i64, ptr %known
  %count.at = getelementptr i64, ptr %known, i64 1
  %count = load i64, ptr %count.at
  %arrays.at = getelementptr i64, ptr %known, i64 3
  %arrays.place = load i64, ptr %arrays.at
  %arrays = getelementptr i64, ptr %state, i64 %arrays.place
  %words.at = getelementptr i64, ptr %known, i64 4
  %words.place = load i64, ptr %words.at
  %words = getelementptr i64, ptr %state, i64 %words.place
  %borrowed2 = mul i64 %borrowed, 2
  %of = add i64 %borrowed2, 5
  %kinds = getelementptr i64, ptr %known, i64 %of
  %bytes = lshr i64 %rows, 3
  %bytes.up = add i64 %bytes, 64
  %bits = and i64 %bytes.up, -64
  br label %each

each:
  %i = phi i64 [ 0, %entry ], [ %next, %write ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %one, label %done

one:
  %i2 = mul i64 %i, 2
  %width.at = getelementptr i64, ptr %kinds, i64 %i2
  %width = load i64, ptr %width.at
  %nullable.at = getelementptr i64, ptr %width.at, i64 1
  %nullable = load i64, ptr %nullable.at
  %always = icmp eq i64 %nullable, 1
  %is.mask = icmp eq i64 %nullable, 2
  %some = icmp ne i64 %nulls, 0
  %never = select i1 %is.mask, i1 false, i1 %some
  %has.nulls = or i1 %always, %never
  %bitmap.size = select i1 %has.nulls, i64 %bits, i64 0
  %before = add i64 %bitmap.size, 64
  %is.bits = icmp eq i64 %width, 0
  %exact = mul i64 %rows, %width
  %exact.up = add i64 %exact, 63
  %fixed = and i64 %exact.up, -64
  %size = select i1 %is.bits, i64 %bits, i64 %fixed
  %all = add i64 %before, %size
  %memory = call ptr @malloc(i64 %all)
  %none = icmp eq ptr %memory, null
  br i1 %none, label %failed, label %got

got:
  %values = getelementptr i8, ptr %memory, i64 %before
  br i1 %is.mask, label %ones, label %write

ones:
  %filled = call ptr @memset(ptr %values, i32 255, i64 %size)
  br label %write

write:
  %bitmap = getelementptr i8, ptr %memory, i64 64
  %validity = select i1 %has.nulls, ptr %bitmap, ptr null
  store ptr %validity, ptr %memory
  %second = getelementptr i8, ptr %memory, i64 8
  store ptr %values, ptr %second
  %offset = mul i64 %i, 152
  %array = getelementptr i8, ptr %arrays, i64 %offset
  call void @describe(ptr %words, i64 %i, ptr %array, ptr %memory, i64 %rows)
  %next = add i64 %i, 1
  br label %each

failed:
  ret i64 -3

done:
  ret i64 %nulls
}

; Let the columns that are made have memory of a pool: for each there are an object that holds it, and the
; addresses of values and validity. Returns 0, or -3 if there is no memory.
define internal i64 @lend(ptr %python, ptr %known, ptr %state, i64 %rows, ptr %holders, ptr %addresses) {
entry:
  %item = load ptr, ptr %python
  %keep.at = getelementptr ptr, ptr %python, i64 11
  %keep = load ptr, ptr %keep.at
  %count.at = getelementptr i64, ptr %known, i64 1
  %count = load i64, ptr %count.at
  %arrays.at = getelementptr i64, ptr %known, i64 3
  %arrays.place = load i64, ptr %arrays.at
  %arrays = getelementptr i64, ptr %state, i64 %arrays.place
  %words.at = getelementptr i64, ptr %known, i64 4
  %words.place = load i64, ptr %words.at
  %words = getelementptr i64, ptr %state, i64 %words.place
  br label %each

each:
  %i = phi i64 [ 0, %entry ], [ %next, %write ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %one, label %done

one:
  %private = call ptr @malloc(i64 32)
  %none = icmp eq ptr %private, null
  br i1 %none, label %failed, label %write

write:
  %i2 = mul i64 %i, 2
  %values.at = getelementptr ptr, ptr %addresses, i64 %i2
  %values = load ptr, ptr %values.at
  %validity.at = getelementptr ptr, ptr %values.at, i64 1
  %validity = load ptr, ptr %validity.at
  %holder = call ptr %item(ptr %holders, i64 %i)
  call void %keep(ptr %holder)
  store ptr %validity, ptr %private
  %private.1 = getelementptr ptr, ptr %private, i64 1
  store ptr %values, ptr %private.1
  %private.2 = getelementptr ptr, ptr %private, i64 2
  store ptr %holder, ptr %private.2
  %private.3 = getelementptr ptr, ptr %private, i64 3
  store ptr %python, ptr %private.3

  %offset = mul i64 %i, 152
  %array = getelementptr i8, ptr %arrays, i64 %offset
  call void @describe(ptr %words, i64 %i, ptr %array, ptr %private, i64 %rows)
  %release.at = getelementptr i8, ptr %array, i64 64
  store ptr @end_lent, ptr %release.at
  %next = add i64 %i, 1
  br label %each

failed:
  ret i64 -3

done:
  ret i64 0
}

define internal i64 @begin(
  ptr %python, ptr %capsules, ptr %known, ptr %state, i64 %rows, i64 %given, i64 %own
) {
  %found = call i64 @borrow(ptr %python, ptr %capsules, ptr %known, ptr %state)
  %nulls = or i64 %found, %given
  %right = icmp sge i64 %nulls, 0
  %has.own = icmp ne i64 %own, 0
  %on = and i1 %right, %has.own
  br i1 %on, label %make, label %done

make:
  %result = call i64 @allocate(ptr %known, ptr %state, i64 %rows, i64 %nulls)
  ret i64 %result

done:
  ret i64 %nulls
}

; Give back what was borrowed. Returns for each column that was made the capsules of schema and array; none,
; and frees their memory, if it isn't to be kept.
define internal ptr @end(ptr %python, ptr %known, ptr %state, i64 %keep) {
entry:
  %borrowed = load i64, ptr %known
  %made.at = getelementptr i64, ptr %known, i64 1
  %made = load i64, ptr %made.at
  %borrowed.at = getelementptr i64, ptr %known, i64 2
  %borrowed.place = load i64, ptr %borrowed.at
  %borrowed.arrays = getelementptr i64, ptr %state, i64 %borrowed.place
  %arrays.at = getelementptr i64, ptr %known, i64 3
  %arrays.place = load i64, ptr %arrays.at
  %arrays = getelementptr i64, ptr %state, i64 %arrays.place
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
  br label %each.borrowed

each.borrowed:
  %i = phi i64 [ 0, %entry ], [ %i.next, %one.borrowed ]
  %i.more = icmp ult i64 %i, %borrowed
  br i1 %i.more, label %one.borrowed, label %decide

one.borrowed:
  %i.offset = mul i64 %i, 80
  %borrowed.array = getelementptr i8, ptr %borrowed.arrays, i64 %i.offset
  call void @give_back(ptr %borrowed.array)
  %i.next = add i64 %i, 1
  br label %each.borrowed

decide:
  %kept = icmp ne i64 %keep, 0
  %size = select i1 %kept, i64 %made, i64 0
  %pairs = call ptr %new(i64 %size)
  br label %each

each:
  %j = phi i64 [ 0, %decide ], [ %j.next, %next ]
  %more = icmp ult i64 %j, %made
  br i1 %more, label %one, label %done

one:
  %offset = mul i64 %j, 152
  %array = getelementptr i8, ptr %arrays, i64 %offset
  %schema = getelementptr i8, ptr %array, i64 80
  br i1 %kept, label %export, label %drop

export:
  %pair = call ptr %new(i64 2)
  %first = call ptr %capsule(ptr %schema, ptr %schema.name, ptr null)
  %second = call ptr %capsule(ptr %array, ptr %array.name, ptr null)
  %set.first = call i32 %set(ptr %pair, i64 0, ptr %first)
  %set.second = call i32 %set(ptr %pair, i64 1, ptr %second)
  %set.pair = call i32 %set(ptr %pairs, i64 %j, ptr %pair)
  br label %next

drop:
  call void @give_back(ptr %array)
  br label %next

next:
  %j.next = add i64 %j, 1
  br label %each

done:
  ret ptr %pairs
}

define i64 @dfv.columns(ptr %addresses) {
  store ptr @end_array, ptr %addresses
  %at.1 = getelementptr ptr, ptr %addresses, i64 1
  store ptr @end_schema, ptr %at.1
  %at.2 = getelementptr ptr, ptr %addresses, i64 2
  store ptr @begin, ptr %at.2
  %at.3 = getelementptr ptr, ptr %addresses, i64 3
  store ptr @end, ptr %at.3
  %at.4 = getelementptr ptr, ptr %addresses, i64 4
  store ptr @lend, ptr %at.4
  ret i64 0
}
"""
