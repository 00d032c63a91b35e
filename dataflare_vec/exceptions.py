"""The exceptions of dataflare_vec: the details of an error as fields, put into words once per class.

Whoever has something to decide asks the class and the fields; the message is for people.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec._util.suggestions import Argument, in_python, spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Spell = Callable[[Argument], str]


@by_public_name
class DataFlareError(Exception):
    """Base class of all exceptions that dataflare_vec raises.

    All fields survive pickling, and so do notes. Fields that don't apply are None or empty.

    Attributes
    ----------
    problem : str
        What is wrong, if the other fields don't say so.
    plugin : str or None
        Name of the plugin.
    parameter : str or None
        Parameter of the plugin.
    column : str or None
        The column.
    argument : str or None
        The argument of the call, of the library's function.
    file : str or None
        The file that was read or written.
    expected, got : str or None
        What that had to be, and what it was.
    hint : str
        What to do about it.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> df = pl.DataFrame({"x": ["1.0"]})
    >>> try:
    ...     df.pipe(dfv.apply, "welford")
    ... except dfv.DataFlareError as error:
    ...     print(error.plugin)
    welford
    """

    def __init__(
        self,
        problem: str = "",
        *,
        plugin: str | None = None,
        parameter: str | None = None,
        column: str | None = None,
        argument: str | None = None,
        file: object = None,
        expected: str | None = None,
        got: object = None,
        hint: str = "",
    ) -> None:
        self.problem = problem
        self.plugin = plugin
        self.parameter = parameter
        self.column = column
        self.argument = argument
        self.file = None if file is None else str(file)
        self.expected = expected
        self.got = None if got is None else str(got)
        self.hint = hint
        super().__init__(self.message())

    def fill(self, **fields: Any) -> None:
        """Set fields that are known only to a caller of the code that raised."""
        self.__dict__.update(fields)
        self.args = (self.message(),)

    def message(self, spell: Spell = in_python) -> str:
        """Return the message: the fields in words.

        Parameters
        ----------
        spell
            Writes an `Argument` as the reader of the message would, such as ``--by`` on a command line.
        """
        said = self._where() + self.said(spell)
        return f"{said}; {spelled(self.hint, spell)}" if self.hint else said

    def _where(self) -> str:
        return "" if self.plugin is None else f"plugin `{self.plugin}`: "

    def said(self, spell: Spell = in_python) -> str:
        """Return the problem alone, without the plugin and the hint."""
        if self.problem:
            return spelled(self.problem, spell)
        return f"{self._subject(spell)} must be {self.expected}, got {self.got}"

    def _subject(self, spell: Spell) -> str:
        if self.column is not None:
            return f"column `{self.column}`"
        if self.parameter is not None:
            return f"parameter `{self.parameter}`"
        return "it" if self.argument is None else spell(Argument(self.argument))

    def __str__(self) -> str:
        return self.message()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message()!r})"

    def __reduce__(self) -> Any:
        return type(self), (), {**self.__dict__, "args": self.args}


@by_public_name
class MissingDependencyError(DataFlareError, ImportError):
    """An optional dependency is needed but isn't installed.

    Attributes
    ----------
    problem, hint
        As in `DataFlareError`: what needs it, and the command that installs it.
    library : str
        The library, as it is imported.
    extra : str
        The extra of dataflare_vec.

    Examples
    --------
    >>> import sys
    >>> import dataflare_vec as dfv
    >>> from unittest.mock import patch
    >>> with patch.dict(sys.modules, {"prometheus_client": None}):  # as if it weren't installed
    ...     try:
    ...         dfv.prometheus.register(dfv.PluginManager())
    ...     except dfv.MissingDependencyError as error:
    ...         print(error.library, error.extra)
    prometheus_client prometheus
    """

    def __init__(self, problem: str = "", *, library: str = "", extra: str = "", hint: str = "") -> None:
        self.library = library
        self.extra = extra
        super().__init__(problem, hint=hint)


@by_public_name
class ArgumentError(DataFlareError, ValueError):
    """An argument of a call has an invalid value, or doesn't go with the other arguments.

    Attributes
    ----------
    argument, expected, got, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> df = pl.DataFrame({"x": [1.0]})
    >>> df.pipe(dfv.apply, "welford", on_error="skip")
    Traceback (most recent call last):
    ...
    dataflare_vec.exceptions.ArgumentError: `on_error` must be "raise", "null" or "drop", got 'skip'
    """


@by_public_name
class PluginError(DataFlareError):
    """A plugin can't be found, defined or applied.

    Attributes
    ----------
    plugin, parameter, column, expected, got, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> df = pl.DataFrame({"x": [1.0]})
    >>> try:
    ...     df.pipe(dfv.apply, "welfort")
    ... except dfv.PluginError as error:  # any of them
    ...     print(type(error).__name__, error.plugin)
    PluginNotFoundError welfort
    """


@by_public_name
class PluginNotFoundError(PluginError, KeyError):
    """No plugin with this name is registered.

    Attributes
    ----------
    plugin, hint
        As in `DataFlareError`: the name, and names like it.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> df = pl.DataFrame({"x": [1.0]})
    >>> df.pipe(dfv.apply, "welfort")
    Traceback (most recent call last):
    ...
    dataflare_vec.exceptions.PluginNotFoundError: plugin `welfort` not found; did you mean `welford`?
    """

    def _where(self) -> str:
        return ""

    def said(self, spell: Spell = in_python) -> str:
        """Return the problem alone, without the plugin and the hint."""
        return super().said(spell) if self.problem else f"plugin `{self.plugin}` not found"


@by_public_name
class DuplicatePluginError(PluginError, ValueError):
    """A plugin with this name is already registered.

    Attributes
    ----------
    plugin, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> _ = dfv.register("halved", pl.col("x") / 2)
    >>> try:
    ...     dfv.register("halved", pl.col("x") * 0.5)
    ... except dfv.DuplicatePluginError as error:
    ...     print(error.hint.splitlines()[0])
    choose another name, or pass `replace=True`
    >>> _ = dfv.register("halved", pl.col("x") * 0.5, replace=True)
    """


@by_public_name
class PluginDefinitionError(PluginError, TypeError):
    """The given object can't be registered as a plugin.

    Attributes
    ----------
    plugin, parameter, argument, expected, got, hint
        As in `DataFlareError`; ``argument`` is one of the decorator or of `PluginManager.register_plugin`.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> try:
    ...     dfv.register("price", 12.5)
    ... except dfv.PluginDefinitionError as error:
    ...     print(error.problem)
    it must be a function or a Polars expression, got float
    """


@by_public_name
class PluginDisabledError(PluginError, RuntimeError):
    """The plugin is disabled.

    Attributes
    ----------
    plugin, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> manager = dfv.PluginManager()
    >>> manager.disable("welford")
    >>> try:
    ...     manager.process_batch("welford", [{"x": 1.0}])
    ... except dfv.PluginDisabledError as error:
    ...     print(error.hint)
    `manager.enable('welford')` lets it run again
    """


@by_public_name
class BindingError(PluginError, TypeError):
    """The bindings of a call don't match the plugin's parameters.

    Attributes
    ----------
    plugin, parameter, column, argument, expected, got, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> df = pl.DataFrame({"x": [1.0]})
    >>> df.pipe(dfv.apply, "welford", column="x")
    Traceback (most recent call last):
    ...
    dataflare_vec.exceptions.BindingError: plugin `welford`: it has no parameter `column`; available: `x`
    """


@by_public_name
class ColumnNotFoundError(BindingError):
    """A column that the plugin reads isn't in the data.

    Attributes
    ----------
    plugin, parameter, column, hint
        As in `DataFlareError`; ``parameter`` is None for a key.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> df = pl.DataFrame({"price": [1.0, 2.0]})
    >>> try:
    ...     df.pipe(dfv.apply, "welford")
    ... except dfv.ColumnNotFoundError as error:
    ...     print(error.hint)
    available: `price`; bind another one with `x="…"`
    >>> df.pipe(dfv.apply, "welford", x="price").row(0)
    (2, 1.5, 0.5)
    """


@by_public_name
class ColumnTypeError(BindingError):
    """A column has a dtype that the plugin can't read.

    Attributes
    ----------
    plugin, parameter, column, expected, got, hint
        As in `DataFlareError`; ``expected`` in words, ``got`` the column's dtype.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> df = pl.DataFrame({"x": [object()]})
    >>> try:
    ...     df.pipe(dfv.apply, "welford")
    ... except dfv.ColumnTypeError as error:
    ...     print(error.column, error.got)
    x Object
    """


@by_public_name
class OutputNameError(PluginError, ValueError):
    """The name of an output column is already taken, or the number of names is wrong.

    Attributes
    ----------
    plugin, column, argument, expected, got, hint
        As in `DataFlareError`; ``column`` is the name that can't be given.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> df = pl.DataFrame({"a": ["cat"], "b": ["cut"], "levenshtein": [0]})
    >>> try:
    ...     df.pipe(dfv.apply, "levenshtein")
    ... except dfv.OutputNameError as error:
    ...     print(error.column)
    levenshtein
    >>> df.pipe(dfv.apply, "levenshtein", output="edits").columns
    ['a', 'b', 'levenshtein', 'edits']
    """


@by_public_name
class UnsupportedDataError(DataFlareError, TypeError):
    """The given data is neither a frame nor an Arrow stream, or is damaged.

    Attributes
    ----------
    plugin, column, expected, got, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> try:
    ...     dfv.apply({"x": [1.0]}, "welford")
    ... except dfv.UnsupportedDataError as error:
    ...     print(error.got, "-", error.hint)
    dict - `pl.DataFrame(data)` makes a frame from dicts and lists
    """


@by_public_name
class BuildError(PluginError, RuntimeError):
    """A plugin can't be built into a native library.

    Attributes
    ----------
    plugin, expected, got, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> @dfv.column
    ... def ranked(x):
    ...     return x.rank()
    >>> try:
    ...     dfv.build(ranked, {"x": pl.Float64})
    ... except dfv.BuildError as error:
    ...     print(error.plugin)
    ranked
    """


@by_public_name
class KernelCompileError(PluginError, TypeError):
    """Numba can't compile a kernel for the dtypes of the columns.

    Attributes
    ----------
    plugin, hint
        As in `DataFlareError`: ``hint`` is what to write instead.
    reason : str
        Why, in plain words.
    part : str or None
        The function of the plugin, if it isn't the kernel: ``"merge"`` or ``"finish"``.
    columns : dict or None
        Dtypes of the columns by parameter, for which it can't.
    excerpt : tuple of str
        Where in the code: file, line and function, the line marked, and the types there.
    numba_message : str
        Numba's own words, in full.
    fallback : str
        Why it can't be interpreted either, under ``fallback="python"``.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> @dfv.plugin
    ... def first_line(path):
    ...     return open(path).readline()
    >>> df = pl.DataFrame({"path": ["a.txt"]})
    >>> try:
    ...     df.pipe(dfv.apply, first_line)
    ... except dfv.KernelCompileError as error:
    ...     print(error.reason)
    the built-in `open` isn't supported in compiled code
    """

    def __init__(
        self,
        problem: str = "",
        *,
        plugin: str | None = None,
        reason: str = "",
        part: str | None = None,
        columns: Mapping[str, Any] | None = None,
        excerpt: Sequence[str] = (),
        numba_message: str = "",
        fallback: str = "",
        hint: str = "",
    ) -> None:
        self.reason = reason
        self.part = part
        self.columns = None if columns is None else dict(columns)
        self.excerpt = tuple(excerpt)
        self.numba_message = numba_message
        self.fallback = fallback
        super().__init__(problem, plugin=plugin, hint=hint)

    def said(self, spell: Spell = in_python) -> str:
        """Return the problem alone, without the plugin and the hint."""
        return super().said(spell) if self.problem else self.reason

    def message(self, spell: Spell = in_python) -> str:
        """Return the fields in words: as other errors, or with the code in lines of its own."""
        said = super().message(spell) if self.problem else self._shown(spell)
        return f"{said}\n  {self.fallback}" if self.fallback else said

    def _shown(self, spell: Spell) -> str:
        what = f"plugin `{self.plugin}`" + ("" if self.part is None else f": `{self.part}`")
        for_what = "its state"
        if self.columns is not None:
            columns = ", ".join(f"{name}: {dtype}" for name, dtype in self.columns.items())
            for_what = f"the columns ({columns})"
        lines = [f"{what} can't be compiled for {for_what}", *self.excerpt, f"  reason: {self.reason}"]
        return "\n".join([*lines, f"  try: {spelled(self.hint, spell)}"] if self.hint else lines)


@by_public_name
class KernelPatternError(KernelCompileError, re.error):
    """A pattern in a kernel isn't a regular expression; it is an `re.error` as well.

    Attributes
    ----------
    plugin, reason, part, columns, excerpt, numba_message, fallback, hint
        As in `KernelCompileError`.
    msg, pattern, pos, lineno, colno
        As in `re.error`: what is wrong, with which pattern, and where.

    Examples
    --------
    >>> import re
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> @dfv.plugin
    ... def has_digits(text):
    ...     return re.search("([0-9]+", text) is not None
    >>> df = pl.DataFrame({"text": ["a 1"]})
    >>> try:
    ...     df.pipe(dfv.apply, has_digits)
    ... except dfv.KernelPatternError as error:
    ...     print(error.msg, error.pos)
    missing ), unterminated subpattern 0
    """

    def __init__(
        self,
        problem: str = "",
        *,
        msg: str = "",
        pattern: str | bytes | None = None,
        pos: int | None = None,
        lineno: int | None = None,
        colno: int | None = None,
        plugin: str | None = None,
        reason: str = "",
        part: str | None = None,
        columns: Mapping[str, Any] | None = None,
        excerpt: Sequence[str] = (),
        numba_message: str = "",
        fallback: str = "",
        hint: str = "",
    ) -> None:
        self.msg = msg
        self.pattern = pattern
        self.pos = pos
        self.lineno = lineno  # type: ignore[assignment]  # None where Python has none either
        self.colno = colno  # type: ignore[assignment]
        super().__init__(
            problem,
            plugin=plugin,
            reason=reason,
            part=part,
            columns=columns,
            excerpt=excerpt,
            numba_message=numba_message,
            fallback=fallback,
            hint=hint,
        )


@by_public_name
class AnnotationWarning(UserWarning):
    """An annotation of a plugin's parameter is ignored, because a name in it can't be evaluated.

    Examples
    --------
    >>> import warnings
    >>> import dataflare_vec as dfv
    >>> def double(x: "Unknown") -> float:
    ...     return 2 * x
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = dfv.plugin(double)
    >>> caught[0].category.__name__
    'AnnotationWarning'
    """


@by_public_name
class InterpretedWarning(UserWarning):
    """A plugin with ``fallback="python"`` couldn't be compiled and ran in the Python interpreter.

    Examples
    --------
    >>> import warnings
    >>> import os
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> @dfv.plugin(fallback="python")
    ... def folder(path: str) -> str:
    ...     return os.path.dirname(path)
    >>> df = pl.DataFrame({"path": ["a/b.txt"]})
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     print(df.pipe(dfv.apply, folder)["folder"].item())
    a
    >>> caught[0].category.__name__
    'InterpretedWarning'
    """


@by_public_name
class KernelResultError(PluginError, TypeError):
    """The result of a kernel can't be stored in a column.

    Attributes
    ----------
    plugin, column, argument, expected, got, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> @dfv.plugin(returns={"low": pl.Float64})
    ... def span(x):
    ...     return x, x + 1.0
    >>> df = pl.DataFrame({"x": [1.0]})
    >>> try:
    ...     df.pipe(dfv.apply, span)
    ... except dfv.KernelResultError as error:
    ...     print(error.problem)
    ...     print(error.hint)
    `returns` declares `low`, which it doesn't return
    return a NamedTuple, whose fields have names
    """


@by_public_name
class StateError(PluginError, ValueError):
    """A state passed to a run doesn't match the plugin or its keys.

    Attributes
    ----------
    plugin, expected, got, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> @dfv.reduce(init=0.0)
    ... def total(state, x):
    ...     return state + x
    >>> df = pl.DataFrame({"x": [1.0]})
    >>> try:
    ...     df.pipe(dfv.apply, total, state="yesterday")
    ... except dfv.StateError as error:
    ...     print(error.problem)
    `state` doesn't fit: `state` must be float64, got str
    """


@by_public_name
class RowError(PluginError):
    """Rows failed under ``on_error="raise"``; the first row's own exception is the cause.

    Attributes
    ----------
    plugin, hint
        As in `DataFlareError`.
    count : int
        How many rows failed, exactly.
    total : int or None
        Of how many.
    rows : tuple of int
        Indices of the first of them; nothing if they failed as a whole.
    batch_of : str or None
        In a query ``"Polars"`` or ``"DuckDB"``: it hands rows over in batches, and where in the data one
        begins isn't known. (Polars may make the exception anew of its message: then that is all there is.)
    batch_rows : tuple of int
        Instead of `rows` those of the batch, which has `total` rows.
    file : str or None
        Of which file the rows are.
    start : int or None
        Where in the file or the stream the rows begin that failed as a whole.
    reason : str
        The exception of the first of them, as ``"ZeroDivisionError: division by zero"``.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> @dfv.plugin
    ... def cents_each(cents, people):
    ...     return cents // people
    >>> df = pl.DataFrame({"cents": [100, 100, 100], "people": [1, 0, 4]})
    >>> try:
    ...     _ = df.pipe(dfv.apply, cents_each)
    ... except dfv.RowError as error:
    ...     print(error.count, error.rows, error.reason)
    1 (1,) ZeroDivisionError: integer division or modulo by zero
    >>> df.pipe(dfv.apply, cents_each, on_error="null")["cents_each"].to_list()
    [100, None, 25]
    """

    def __init__(
        self,
        problem: str = "",
        *,
        plugin: str | None = None,
        count: int = 0,
        total: int | None = None,
        rows: Sequence[int] = (),
        cause: BaseException | None = None,
        hint: str = "",
    ) -> None:
        self.count = count
        self.total = total
        self.rows = tuple(rows)
        self.batch_of: str | None = None
        self.batch_rows: tuple[int, ...] = ()
        self.start: int | None = None
        self.reason = "" if cause is None else f"{type(cause).__name__}: {cause}"
        if cause is not None:
            self.__cause__ = cause
        super().__init__(problem, plugin=plugin, hint=hint)

    def _where(self) -> str:
        if self.start is None:
            return super()._where()
        return f"{f'`{self.file}`, ' if self.file else ''}from row {self.start}: {super()._where()}"

    def said(self, spell: Spell = in_python) -> str:
        """Return the problem alone, without the plugin and the hint."""
        if self.problem:
            return f"{super().said(spell)} with {self.reason}" if self.reason else super().said(spell)
        shown = self.rows or self.batch_rows
        rows = "row " if self.count == 1 else "rows "
        rows += ", ".join(map(str, shown)) + (", …" if self.count > len(shown) else "")
        if self.file is not None:
            rows += f" of `{self.file}`"
        if self.batch_of is not None:
            rows += f" of a batch passed by {self.batch_of}, not of the whole data"
        if self.total is not None:
            return f"{self.count} of {self.total} rows failed, {rows}; the first with {self.reason}"
        return f"{rows} failed{'' if self.count == 1 else ', the first'} with {self.reason}"


@by_public_name
class SourceError(DataFlareError, ValueError):
    """The input of a stream is damaged, or its columns change midway.

    Attributes
    ----------
    file, column, argument, expected, got, hint
        As in `DataFlareError`.
    format : str or None
        What the file is read as, if all of it can't be.
    row_group, row_groups : int or None
        The row group of a Parquet file that can't be read, and how many there are.
    batch : int or None
        The batch of a stream.
    row : int or None
        The row in the file or the stream up to which it could be read.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> dfv.stream("no-such-folder/*.parquet", "welford")
    Traceback (most recent call last):
    ...
    dataflare_vec.exceptions.SourceError: can't read `no-such-folder/*.parquet`: no file matches the pattern
    """

    def __init__(
        self,
        problem: str = "",
        *,
        file: object = None,
        format: str | None = None,
        row_group: int | None = None,
        row_groups: int | None = None,
        batch: int | None = None,
        row: int | None = None,
        column: str | None = None,
        argument: str | None = None,
        expected: str | None = None,
        got: object = None,
        hint: str = "",
    ) -> None:
        self.format = format
        self.row_group = row_group
        self.row_groups = row_groups
        self.batch = batch
        self.row = row
        super().__init__(
            problem, file=file, column=column, argument=argument, expected=expected, got=got, hint=hint
        )

    def _where(self) -> str:
        if self.batch is not None:
            return f"batch {self.batch} (from row {self.row}): "
        if self.file is None:
            return ""
        place = "" if self.row is None else f", after row {self.row}"
        if self.format is not None:
            place = f" as {self.format}"
        elif self.row_group is not None:
            place = f", row group {self.row_group} of {self.row_groups}"
        elif self.row_groups is not None:
            place = f", one of its {self.row_groups} row groups"
        return f"can't read `{self.file}`{place}: "


@by_public_name
class SinkError(DataFlareError, OSError):
    """A file or a folder can't be written; nothing half-written is left behind.

    Attributes
    ----------
    file, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> df = pl.DataFrame({"a": ["cat"], "b": ["cut"]})
    >>> try:
    ...     dfv.stream(df, "levenshtein").write("/dev/null/edits.parquet")
    ... except dfv.SinkError as error:
    ...     print(error.file)
    /dev/null/edits.parquet
    """

    def _where(self) -> str:
        return "" if self.file is None else f"can't write `{self.file}`: "


@by_public_name
class StreamUsedError(DataFlareError, RuntimeError):
    """A stream was used a second time; it yields its rows only once.

    Attributes
    ----------
    problem, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> stream = dfv.stream(pl.DataFrame({"a": ["cat"], "b": ["cut"]}), "levenshtein")
    >>> pl.concat(stream).height
    1
    >>> try:
    ...     stream.write("edits.parquet")
    ... except dfv.StreamUsedError as error:
    ...     print(error.problem)
    the stream was iterated over already, and can be used only once
    """


@by_public_name
class PoolError(DataFlareError):
    """A memory pool, or one of its buffers, was misused.

    Attributes
    ----------
    problem, hint
        As in `DataFlareError`.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> pool = dfv.MemoryPool()
    >>> pool.close()
    >>> pool.get_buffer(1024)
    Traceback (most recent call last):
    ...
    dataflare_vec.exceptions.PoolError: the memory pool is closed; make a new one
    """


@by_public_name
class PoolLimitError(PoolError, MemoryError):
    """A request would exceed the `max_bytes` of a memory pool.

    Attributes
    ----------
    problem, hint
        As in `DataFlareError`.
    waited : bool
        Whether it timed out waiting for memory that others hold.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> pool = dfv.MemoryPool(dfv.MemoryPoolConfig(max_bytes=1 << 20))
    >>> try:
    ...     pool.get_buffer(1 << 24)
    ... except dfv.PoolLimitError as error:
    ...     print(error.hint)
    drop results you no longer need, or raise `max_bytes`
    """

    def __init__(self, problem: str = "", *, waited: bool = False, hint: str = "") -> None:
        self.waited = waited
        super().__init__(problem, hint=hint)
