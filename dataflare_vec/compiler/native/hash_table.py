"""How the tables lie in memory that keys are looked up in: what compiled code and its callers agree on."""

from __future__ import annotations

#: What a mark says of a row: its key is null, or it isn't there at all. No mark is 0.
NULL, ABSENT = 1, 2

#: Indices into a table's counts: how many keys, the null's code or -1, bytes of the heap in use.
COUNT, NULL_CODE, HEAP = 0, 1, 2

#: Words of an entry: of words (key, code + 1), of bytes (two words that tell keys apart, code + 1, place in
#: the heap). A code of 0 is a free entry.
WORD_ENTRY, BYTES_ENTRY = 2, 4
