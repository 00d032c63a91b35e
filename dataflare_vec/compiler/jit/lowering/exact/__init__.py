"""Python's and NumPy's arithmetic where Numba's is another: integers of floats, digits, powers, loops."""

from dataflare_vec.compiler.jit.lowering.exact import digits as digits  # registers it
from dataflare_vec.compiler.jit.lowering.exact import double as double
from dataflare_vec.compiler.jit.lowering.exact import library as library
from dataflare_vec.compiler.jit.lowering.exact import powers as powers
from dataflare_vec.compiler.jit.lowering.exact import ranges as ranges
from dataflare_vec.compiler.jit.lowering.exact import ufuncs as ufuncs
from dataflare_vec.compiler.jit.lowering.exact import whole as whole
