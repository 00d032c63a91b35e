"""LLVM IR of `compiler.native.columns`: columns are borrowed, made and handed on."""

# An array's private data is the one piece of memory it consists of, from ``malloc``: the addresses of its
# buffers, then the buffers. Compiled code ends its life, because a column may be dropped by any thread, and
# when Python has gone. Where a pool lends the buffers, the object that holds them follows the addresses, and
# the address of what is called of Python's. A column of texts has a buffer more, for their bytes, and one
# with its size; in its memory follow that size, whether there was no room for all of them, and the data
# builder that a loop writes with (`jit.lowering.strings.output`).
#
# A call has a state, of words: those that its loop is called with, an Arrow array for each column that it
# borrows, an Arrow array and a schema for each that it makes. What is the same in each call is in ``known``:
# how many columns are borrowed and made; where their arrays begin, and where a loop looks for the latter;
# of each borrowed one where a loop looks for it, and bytes of a value, 0 for bits, negative for views; of
# each made one bytes of a value; whether it has nulls: 0 where a borrowed one has, 1 perhaps by itself, 2 for
# a mask, which is all ones at first and never null; and for texts how many bytes a row there is room for,
# else 0.
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

define internal i64 @no_room(ptr %flag, i64 %bytes) {
  store i64 1, ptr %flag
  ret i64 1
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
; address of the values, bit offset of values that are bits or the table of what views point into, address and
; bit offset of the validity. Returns whether there are nulls, -1 for several arrays, -2 if Polars says no.
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
  %given = load i64, ptr %width.at
  %are.views = icmp slt i64 %given, 0
  %negative = sub i64 0, %given
  %width = select i1 %are.views, i64 %negative, i64 %given
  %skipped = mul i64 %skip, %width
  %start = getelementptr i8, ptr %values, i64 %skipped
  %bits = icmp eq i64 %width, 0
  %bit = select i1 %bits, i64 %skip, i64 0
  %table = getelementptr i8, ptr %buffers, i64 16
  %table.address = ptrtoint ptr %table to i64
  %second.word = select i1 %are.views, i64 %table.address, i64 %bit
  %word.0 = getelementptr i64, ptr %state, i64 %place
  store ptr %start, ptr %word.0
  %word.1 = getelementptr i64, ptr %word.0, i64 1
  store i64 %second.word, ptr %word.1
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

; Write, for the column of texts made as number ``i``, where their bytes and their size are, and the data
; builder.
define internal void @describe_texts(ptr %words, i64 %i, ptr %memory, ptr %text, i64 %text.size) {
  %end = getelementptr i8, ptr %text, i64 %text.size
  %third = getelementptr i8, ptr %memory, i64 16
  store ptr %text, ptr %third
  %fourth = getelementptr i8, ptr %memory, i64 24
  %used = getelementptr i8, ptr %memory, i64 32
  store ptr %used, ptr %fourth
  %full = getelementptr i8, ptr %memory, i64 40
  store i64 0, ptr %full
  %builder = getelementptr i8, ptr %memory, i64 48
  store ptr %text, ptr %builder
  %builder.1 = getelementptr i64, ptr %builder, i64 1
  store ptr %end, ptr %builder.1
  %builder.2 = getelementptr i64, ptr %builder, i64 2
  store ptr %text, ptr %builder.2
  %builder.3 = getelementptr i64, ptr %builder, i64 3
  store i64 0, ptr %builder.3
  %builder.4 = getelementptr i64, ptr %builder, i64 4
  store i64 0, ptr %builder.4
  %builder.5 = getelementptr i64, ptr %builder, i64 5
  store ptr %full, ptr %builder.5
  %builder.6 = getelementptr i64, ptr %builder, i64 6
  store ptr @no_room, ptr %builder.6
  %i4 = mul i64 %i, 4
  %i4.1 = add i64 %i4, 1
  %word.1 = getelementptr i64, ptr %words, i64 %i4.1
  store ptr %builder, ptr %word.1
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
  %i = phi i64 [ 0, %entry ], [ %next, %next.one ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %one, label %done

one:
  %i3 = mul i64 %i, 3
  %width.at = getelementptr i64, ptr %kinds, i64 %i3
  %width = load i64, ptr %width.at
  %nullable.at = getelementptr i64, ptr %width.at, i64 1
  %nullable = load i64, ptr %nullable.at
  %row.bytes.at = getelementptr i64, ptr %width.at, i64 2
  %row.bytes = load i64, ptr %row.bytes.at
  %are.texts = icmp ne i64 %row.bytes, 0
  %always = icmp eq i64 %nullable, 1
  %is.mask = icmp eq i64 %nullable, 2
  %some = icmp ne i64 %nulls, 0
  %never = select i1 %is.mask, i1 false, i1 %some
  %has.nulls = or i1 %always, %never
  %bitmap.size = select i1 %has.nulls, i64 %bits, i64 0
  %before = add i64 %bitmap.size, 128
  %is.bits = icmp eq i64 %width, 0
  %exact = mul i64 %rows, %width
  %exact.up = add i64 %exact, 63
  %fixed = and i64 %exact.up, -64
  %size = select i1 %is.bits, i64 %bits, i64 %fixed
  %text.bytes = mul i64 %rows, %row.bytes
  %text.more = add i64 %text.bytes, 256
  %text.size = select i1 %are.texts, i64 %text.more, i64 0
  %with.values = add i64 %before, %size
  %all = add i64 %with.values, %text.size
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
  %bitmap = getelementptr i8, ptr %memory, i64 128
  %validity = select i1 %has.nulls, ptr %bitmap, ptr null
  store ptr %validity, ptr %memory
  %second = getelementptr i8, ptr %memory, i64 8
  store ptr %values, ptr %second
  %offset = mul i64 %i, 152
  %array = getelementptr i8, ptr %arrays, i64 %offset
  call void @describe(ptr %words, i64 %i, ptr %array, ptr %memory, i64 %rows)
  br i1 %are.texts, label %texts, label %next.one

texts:
  %text = getelementptr i8, ptr %values, i64 %size
  call void @describe_texts(ptr %words, i64 %i, ptr %memory, ptr %text, i64 %text.size)
  br label %next.one

next.one:
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

; Say of columns of texts how many bytes they have; return whether there was room for all.
define internal i1 @close_texts(ptr %known, ptr %arrays) {
entry:
  %borrowed = load i64, ptr %known
  %count.at = getelementptr i64, ptr %known, i64 1
  %count = load i64, ptr %count.at
  %borrowed2 = mul i64 %borrowed, 2
  %of = add i64 %borrowed2, 7
  %row.bytes.first = getelementptr i64, ptr %known, i64 %of
  br label %each

each:
  %i = phi i64 [ 0, %entry ], [ %next, %next.one ]
  %fits = phi i1 [ true, %entry ], [ %fits.now, %next.one ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %one, label %done

one:
  %i3 = mul i64 %i, 3
  %row.bytes.at = getelementptr i64, ptr %row.bytes.first, i64 %i3
  %row.bytes = load i64, ptr %row.bytes.at
  %are.texts = icmp ne i64 %row.bytes, 0
  br i1 %are.texts, label %close, label %next.one

close:
  %offset = mul i64 %i, 152
  %array = getelementptr i8, ptr %arrays, i64 %offset
  %private = getelementptr i8, ptr %array, i64 72
  %memory = load ptr, ptr %private
  %full.at = getelementptr i8, ptr %memory, i64 40
  %full = load i64, ptr %full.at
  %builder = getelementptr i8, ptr %memory, i64 48
  %end = load i64, ptr %builder
  %start.at = getelementptr i64, ptr %builder, i64 2
  %start = load i64, ptr %start.at
  %bytes = sub i64 %end, %start
  %used = getelementptr i8, ptr %memory, i64 32
  store i64 %bytes, ptr %used
  %had.room = icmp eq i64 %full, 0
  %both = and i1 %fits, %had.room
  br label %next.one

next.one:
  %fits.now = phi i1 [ %fits, %one ], [ %both, %close ]
  %next = add i64 %i, 1
  br label %each

done:
  ret i1 %fits
}

; Give back what was borrowed. Returns for each column that was made the capsules of schema and array; none,
; and frees their memory, if it isn't to be kept, or texts had no room.
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
  %wanted = icmp ne i64 %keep, 0
  br i1 %wanted, label %close, label %make

close:
  %fits = call i1 @close_texts(ptr %known, ptr %arrays)
  br label %make

make:
  %kept = phi i1 [ false, %decide ], [ %fits, %close ]
  %size = select i1 %kept, i64 %made, i64 0
  %pairs = call ptr %new(i64 %size)
  br label %each

each:
  %j = phi i64 [ 0, %make ], [ %j.next, %next ]
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
