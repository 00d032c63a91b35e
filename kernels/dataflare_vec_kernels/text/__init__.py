"""Strings: similarity, phonetics, cleaning, parsing, check digits."""

from __future__ import annotations

from dataflare_vec_kernels.text import checks, cleaning, parsing, phonetic, similarity

__all__ = ["checks", "cleaning", "parsing", "phonetic", "similarity"]
