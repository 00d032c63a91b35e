"""What a lower layer asks of a higher one that it doesn't know: the package's root says where that is.

Like `forks` it imports nothing, and the root fills it before anything else can be imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: `dataflare_vec.compile_ahead`, for `Plugin.compile`.
compile_ahead: Callable[[Any, Any], dict[str, Any]]
