"""`json.loads` and `json.dumps`: importing this registers them with Numba.

`scan` has the grammar, `strings` what is written between quotes, `kinds` of which of Python's types a value
is, `values` what a loaded value can be asked, `dumps` the way back.
"""

from dataflare_vec.compiler.jit.lowering.json import dumps as dumps
from dataflare_vec.compiler.jit.lowering.json import values as values
