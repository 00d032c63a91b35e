"""Types shared by signatures."""

from __future__ import annotations

from typing import Literal, get_args

#: What becomes of a row that fails: the call ends with a `RowError`, its result is null, or it is left out.
OnError = Literal["raise", "null", "drop"]

ON_ERROR: tuple[OnError, ...] = get_args(OnError)
