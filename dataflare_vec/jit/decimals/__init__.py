"""Decimals in kernels: scaled integers of 128 bits, exact."""

from dataflare_vec.jit.decimals import arithmetic as arithmetic
