"""A library as a wheel: typed Python functions that return expressions, with Polars as the one dependency."""

from __future__ import annotations

import base64
import hashlib
import inspect
import io
import re
import zipfile
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition.plugin import Form
from dataflare_vec.exceptions import ArgumentError
from dataflare_vec.polars_plugin.constants import kind_name, leaves_of, literal, type_name
from dataflare_vec.polars_plugin.functions import ON_ERROR, registration
from dataflare_vec.polars_plugin.literals import literal_dtypes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dataflare_vec.definition.plugin import Parameter, Plugin
    from dataflare_vec.polars_plugin.targets import Target

#: The first with `polars.plugins`; since 0.20.6 plugins have had the ABI that `runtime/` speaks.
_POLARS = "polars>=0.20.16"
_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?")
_GLIBC = re.compile(rb"GLIBC_2\.(\d+)\b")
#: The oldest C library that wheels know: what is built here refers to nothing older.
_OLDEST_GLIBC = 17
#: When files of a wheel are said to be from: the same content is the same wheel.
_TIME = (1980, 1, 1, 0, 0, 0)

#: What is said of plugins for which Polars must not cut the rows.
WHOLE = (
    "It sees all rows at once, or those of a group, in their order: Polars holds the whole columns in memory "
    "for it, the streaming engine too."
)
#: What becomes of rows that fail; and if many rows give one result.
FAILED_ROWS = (
    'A row that fails raises an error, is null under on_error="null", or under "struct" has its error '
    "beside it: the result is a Struct of value, null for such a row, and error, null for all others.",
    'A row that fails raises an error, or is passed over under on_error="null", and under "struct": then '
    "the result is a Struct of value, and error, which is that of the first such row, or null.",
)

_HEAD = '''\
"""Plugins of Polars: each function returns an expression that runs in native code."""

from __future__ import annotations

import datetime as _datetime
import decimal as _decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

import polars as _pl

try:
    from polars.plugins import register_plugin_function
except ImportError as error:
    _msg = f"{{__name__}} needs {polars}, this is {{_pl.__version__}}"
    raise ImportError(_msg) from error

if TYPE_CHECKING:
    from collections.abc import Mapping

    _Number = Union[bool, int, float, _decimal.Decimal]
    _Time = Union[_datetime.date, _datetime.datetime, _datetime.time, _datetime.timedelta]
    #: A column by name, an expression, or one value for all rows: a string as `polars.lit`.
    Column = Union[str, _pl.Expr, _Number, bytes, _Time]
    #: A column of which rows before or after are read.
    Rows = Union[str, _pl.Expr]

__all__ = {names}

_LIBRARY = Path(__file__).parent / {library!r}


def _expr(value: Column, dtypes: Mapping[type, Any]) -> _pl.Expr:
    if isinstance(value, _pl.Expr):
        return value
    return _pl.col(value) if isinstance(value, str) else _pl.lit(value, dtype=dtypes.get(type(value)))


def _rows(value: Rows) -> _pl.Expr:
    return value if isinstance(value, _pl.Expr) else _pl.col(value)


def _call(name: str, columns: list[_pl.Expr], constants: dict[str, Any], **how: bool) -> _pl.Expr:
    call = register_plugin_function(
        plugin_path=_LIBRARY, function_name=name, args=columns, kwargs=constants, **how
    )
    return call.alias(name)
'''


_IMPORTED = "import decimal as _decimal\n"
#: Of constants that the library has as several values, see `constants.leaves`.
_VALUES = """

def _values(name: str, value: Any, like: Any) -> dict[str, Any]:
    msg = f"constant `{name}` must be like {like!r}, got {value!r}"
    if isinstance(like, tuple):
        if not isinstance(value, tuple) or len(value) != len(like):
            raise TypeError(msg)
        parts = (_values(f"{name}.{i}", value[i], like[i]) for i in range(len(like)))
        return {key: one for part in parts for key, one in part.items()}
    if isinstance(like, _datetime.tzinfo):
        if str(value) != str(like):
            raise ValueError(msg)
        return {}
    if isinstance(like, int) and like >= 1 << 63:
        return {name: value - (1 << 64) if value >= 1 << 63 else value}
    if isinstance(like, (_datetime.datetime, _datetime.time)) and (like.tzinfo or like.fold):
        if type(value) is not type(like) or str(value.tzinfo) != str(like.tzinfo):
            raise ValueError(msg)
        return _moment(name, value)
    if getattr(value, "fold", 0):
        raise ValueError(msg)
    return {name: value}


def _moment(name: str, value: Any) -> dict[str, int]:
    microsecond, fold = _datetime.timedelta(microseconds=1), value.fold
    is_time = isinstance(value, _datetime.time)
    shown = _datetime.datetime.combine(_datetime.date(1970, 1, 1), value) if is_time else value
    wall = (shown.replace(tzinfo=None, fold=0) - _datetime.datetime(1970, 1, 1)) // microsecond
    if is_time:
        return {f"{name}.wall": wall, f"{name}.fold": fold}
    offset = value.utcoffset()
    utc = wall if offset is None else wall - offset // microsecond
    parts = {"wall": wall, "utc": utc, "fold": fold, "aware": int(offset is not None)}
    return {f"{name}.{part}": number for part, number in parts.items()}
"""


def check_names(name: str, version: str) -> None:
    """Raise if there can't be a wheel of that name and version.

    Raises
    ------
    ArgumentError
        Saying what they may be.
    """
    if not (name.isidentifier() and name.isascii()) or iskeyword(name):
        expected = "a Python identifier of ASCII letters, as the package is imported by it"
        raise ArgumentError(argument="name", expected=expected, got=repr(name))
    if not _VERSION.fullmatch(version):
        raise ArgumentError(argument="version", expected="a version such as 1.0.2", got=repr(version))


@dataclass(frozen=True)
class Package:
    """What a wheel is called, and the library in it.

    Attributes
    ----------
    name, version
        Of the package.
    library
        The content of its library.
    target
        What that is for.
    """

    name: str
    version: str
    library: bytes
    target: Target

    @property
    def tag(self) -> str:
        """What it runs on: any Python, and systems from the oldest on that the library runs on."""
        glibc = max([_OLDEST_GLIBC, *(int(minor) for minor in _GLIBC.findall(self.library))])
        return f"py3-none-{self.target.wheels.format(glibc=glibc)}"

    @property
    def wheel(self) -> str:
        """The name of the wheel."""
        return f"{self.name}-{self.version}-{self.tag}.whl"

    @property
    def file(self) -> str:
        """The name of the library: the same on all systems that call libraries alike, as plans have it."""
        return f"{self.name}-{self.version}{self.target.suffix}"


def wheel(
    package: Package, plugins: Mapping[str, Plugin], schemas: Mapping[str, Sequence[Mapping[str, Any]]]
) -> bytes:
    """Return the content of a wheel.

    Parameters
    ----------
    package
        What it is called, and its library.
    plugins, schemas
        What is in that, and what each is built for.
    """
    name, version = package.name, package.version
    about = f"{name}-{version}.dist-info"
    metadata = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        f"Summary: Plugins of Polars: {', '.join(plugins)}\n"
        f"Requires-Python: >=3.9\nRequires-Dist: {_POLARS}\n"
    )
    files = {
        f"{name}/__init__.py": module(package.file, plugins, schemas).encode(),
        f"{name}/py.typed": b"",
        f"{name}/{package.file}": package.library,
        f"{about}/METADATA": metadata.encode(),
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {package.tag}\n".encode(),
    }
    records = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in files.items()]
    record = f"{about}/RECORD"
    files[record] = "\n".join([*records, f"{record},,", ""]).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, _TIME)
            entry.external_attr = 0o644 << 16
            zipped.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def module(
    library: str, plugins: Mapping[str, Plugin], schemas: Mapping[str, Sequence[Mapping[str, Any]]]
) -> str:
    """Return the Python of the package."""
    head = _HEAD.format(names=sorted(plugins), library=library, polars=_POLARS)
    functions = ["\n".join(_function(plugins[one], schemas[one])) for one in plugins]
    if any("_values(" in one for one in functions):
        head += _VALUES
    if any("_zoneinfo." in one for one in functions):
        head = head.replace(_IMPORTED, f"{_IMPORTED}import zoneinfo as _zoneinfo\n")
    return "\n\n".join([head, *functions])


def _function(plugin: Plugin, schemas: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    columns = [parameter for parameter in plugin.parameters if parameter.is_column]
    constants = [parameter for parameter in plugin.parameters if not parameter.is_column]
    yield f"def {plugin.name}("
    yield from (f"    {one.name}: {'Rows' if len(one.offsets) > 1 else 'Column'}," for one in columns)
    yield "    *,"
    yield from (f"    {one.name}: {type_name(one.default)} = {literal(one.default)}," for one in constants)
    yield f'    {ON_ERROR}: Literal["raise", "null", "struct"] = "raise",'
    yield ") -> _pl.Expr:"
    yield from _docstring(_documentation(plugin, schemas))
    yield "    return _call("
    yield f'        "{plugin.name}",'
    yield "        ["
    yield from (f"            {_expr(one, schemas)}," for one in columns)
    yield "        ],"
    pairs = [*map(_pair, constants), f'"{ON_ERROR}": {ON_ERROR}']
    yield f"        {{{', '.join(pairs)}}},"
    yield from (f"        {name}={value}," for name, value in registration(plugin).items())
    yield "    )"
    yield ""


def _pair(constant: Parameter) -> str:
    """Return what makes keyword arguments of a constant."""
    if [*leaves_of(constant)] == [(constant.name, constant.default)]:
        return f'"{constant.name}": {constant.name}'
    return f'**_values("{constant.name}", {constant.name}, {literal(constant.default)})'


def _expr(column: Parameter, schemas: Sequence[Mapping[str, Any]]) -> str:
    """Return what makes an expression of an argument."""
    if len(column.offsets) > 1:
        return f"_rows({column.name})"
    return f"_expr({column.name}, {_dtypes(schemas, column.name)})"


def _docstring(text: str) -> Iterator[str]:
    first, *lines = text.replace("\\", r"\\").replace('"""', r"\"\"\"").splitlines()
    yield f'    """{first}'
    yield from (f"    {line}" if line else "" for line in lines)
    yield '    """'


def _dtypes(schemas: Sequence[Mapping[str, Any]], parameter: str) -> str:
    found = literal_dtypes([schema[parameter] for schema in schemas])
    return f"{{{', '.join(f'{kind_name(kind)}: _pl.{dtype}' for kind, dtype in found.items())}}}"


def _documentation(plugin: Plugin, schemas: Sequence[Mapping[str, Any]]) -> str:
    """Return the kernel's docstring, and what the function is told beside."""
    text = inspect.cleandoc(plugin.__doc__ or f"Return `{plugin.name}` as an expression.")
    built = (", ".join(f"{name}: {dtype}" for name, dtype in schema.items()) for schema in schemas)
    more = [
        f"Built for columns ({'), ('.join(built)}); each by name, as an expression or as one value.",
        FAILED_ROWS[plugin.form is Form.REDUCE],
    ]
    if not registration(plugin)["is_elementwise"]:
        more.append(WHOLE)
    return "\n\n".join([text, *more])
