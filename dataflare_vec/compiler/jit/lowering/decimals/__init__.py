"""Decimals in kernels: scaled integers of 128 bits, exact."""

from dataflare_vec.compiler.jit.lowering.decimals import arithmetic as arithmetic
