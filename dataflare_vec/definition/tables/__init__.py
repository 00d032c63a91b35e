"""Tables: dicts, sets, lists and tuples that a kernel looks values up in, frozen as columns of one kind."""
