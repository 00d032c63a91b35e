"""Finance: options, interest."""

from __future__ import annotations

from dataflare_vec_kernels.finance import interest, options

__all__ = ["interest", "options"]
