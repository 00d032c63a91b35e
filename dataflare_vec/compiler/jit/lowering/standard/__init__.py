"""Functions of Python's standard library, and of its built-in types, that Numba lacks: by module.

`integers` has `math`'s of integers, ``pow(a, b, m)`` and methods of `int`; `numbers` others of `math`, and
`numpy.clip` and `where` of scalars; `sequences` has `reversed`, and `min` and `max` with ``key=`` and
``default=``; `binary` has `bytes.hex` and `base64`, `hashes` those of `hashlib`, `identifiers`
`uuid.UUID`, `urls` `urllib.parse`, `unicode_data` `unicodedata`;
`integer_bytes` has `int.to_bytes` and `from_bytes`; `sums` those that Python rounds once;
`made_by_class` what named tuples and enumerations make; `statistics`
has what is named so, `missing` pandas' `isna` of one value, `places` what fills the places of a template,
`unpacking` starred names.
"""

from dataflare_vec.compiler.jit.lowering.standard import binary as binary  # registers them with Numba
from dataflare_vec.compiler.jit.lowering.standard import hashes as hashes  # likewise
from dataflare_vec.compiler.jit.lowering.standard import identifiers as identifiers  # likewise
from dataflare_vec.compiler.jit.lowering.standard import integer_bytes as integer_bytes  # likewise
from dataflare_vec.compiler.jit.lowering.standard import integers as integers  # likewise
from dataflare_vec.compiler.jit.lowering.standard import made_by_class as made_by_class  # likewise
from dataflare_vec.compiler.jit.lowering.standard import missing as missing  # likewise
from dataflare_vec.compiler.jit.lowering.standard import numbers as numbers  # likewise
from dataflare_vec.compiler.jit.lowering.standard import sequences as sequences  # likewise
from dataflare_vec.compiler.jit.lowering.standard import statistics as statistics  # likewise
from dataflare_vec.compiler.jit.lowering.standard import sums as sums  # likewise
from dataflare_vec.compiler.jit.lowering.standard import text_hashes as text_hashes  # likewise
from dataflare_vec.compiler.jit.lowering.standard import unicode_data as unicode_data  # likewise
from dataflare_vec.compiler.jit.lowering.standard import urls as urls  # likewise
