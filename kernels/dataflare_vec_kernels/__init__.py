"""Ready-made kernels, found by name through the entry point ``dataflare_vec.plugins``."""

from __future__ import annotations

from dataflare_vec_kernels import finance, geo, hashing, physics, series, sketches, stats, text, vectors

__all__ = ["finance", "geo", "hashing", "physics", "series", "sketches", "stats", "text", "vectors"]
