"""The exceptions of dataflare_vec: what went wrong as fields, which each class puts into words once.

Whoever has something to decide asks the class and the fields; the message is for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec._util.suggestions import Argument, in_python, spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Spell = Callable[[Argument], str]


class DataFlareError(Exception):
    """Base of everything that dataflare_vec raises on purpose.

    All fields survive pickling, and so do notes. Those that don't apply are None, or empty text.

    Attributes
    ----------
    problem : str
        What is wrong, if no field says so.
    plugin : str or None
        Name of the plugin that it is about.
    parameter : str or None
        The plugin's parameter.
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
        """Set fields that only a caller of what raised it knows."""
        self.__dict__.update(fields)
        self.args = (self.message(),)

    def message(self, spell: Spell = in_python) -> str:
        """Return the fields in words.

        Parameters
        ----------
        spell
            Says how an `Argument` is written where the message is read, as ``--by`` on a command line.
        """
        said = self._where() + self.said(spell)
        return f"{said}; {spelled(self.hint, spell)}" if self.hint else said

    def _where(self) -> str:
        return "" if self.plugin is None else f"plugin `{self.plugin}`: "

    def said(self, spell: Spell = in_python) -> str:
        """Return what is wrong, without whose it is and what to do."""
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
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[DataFlareError], arguments: tuple[Any, ...], fields: dict[str, Any]) -> Any:
    error = kind()
    error.args = arguments
    error.__dict__.update(fields)
    return error


class MissingDependencyError(DataFlareError, ImportError):
    """A library that comes with an extra is needed, and isn't installed.

    Attributes
    ----------
    problem, hint
        As in `DataFlareError`: what needs it, and the command that installs it.
    library : str
        The library, as it is imported.
    extra : str
        The extra of dataflare_vec.
    """

    def __init__(self, problem: str = "", *, library: str = "", extra: str = "", hint: str = "") -> None:
        self.library = library
        self.extra = extra
        super().__init__(problem, hint=hint)


class ArgumentError(DataFlareError, ValueError):
    """An argument of a call has a value that it can't have, there or together with others.

    Attributes
    ----------
    argument, expected, got, hint
        As in `DataFlareError`.
    """


class PluginError(DataFlareError):
    """A plugin can't be had, defined or applied.

    Attributes
    ----------
    plugin, parameter, column, expected, got, hint
        As in `DataFlareError`.
    """


class PluginNotFoundError(PluginError, KeyError):
    """No plugin of that name is registered.

    Attributes
    ----------
    plugin, hint
        As in `DataFlareError`: the name, and names like it.
    """

    def _where(self) -> str:
        return ""

    def said(self, spell: Spell = in_python) -> str:
        """Return what is wrong, without whose it is and what to do."""
        return super().said(spell) if self.problem else f"there is no plugin `{self.plugin}`"


class DuplicatePluginError(PluginError, ValueError):
    """A plugin of that name is registered already.

    Attributes
    ----------
    plugin, hint
        As in `DataFlareError`.
    """


class PluginDefinitionError(PluginError, TypeError):
    """The object given can't be a plugin.

    Attributes
    ----------
    plugin, parameter, argument, expected, got, hint
        As in `DataFlareError`; ``argument`` is one of the decorator or of `PluginManager.register_plugin`.
    """


class PluginDisabledError(PluginError, RuntimeError):
    """The plugin was disabled, and so doesn't run.

    Attributes
    ----------
    plugin, hint
        As in `DataFlareError`.
    """


class BindingError(PluginError, TypeError):
    """The bindings of a call don't fit the plugin's parameters.

    Attributes
    ----------
    plugin, parameter, column, argument, expected, got, hint
        As in `DataFlareError`.
    """


class ColumnNotFoundError(BindingError):
    """A column that the plugin reads isn't in the data.

    Attributes
    ----------
    plugin, parameter, column, hint
        As in `DataFlareError`; ``parameter`` is None for a key.
    """


class ColumnTypeError(BindingError):
    """A column is of a type that the plugin can't read.

    Attributes
    ----------
    plugin, parameter, column, expected, got, hint
        As in `DataFlareError`; ``expected`` in words, ``got`` the column's dtype.
    """


class OutputNameError(PluginError, ValueError):
    """A name of an output column is taken, or there are too few or too many.

    Attributes
    ----------
    plugin, column, argument, expected, got, hint
        As in `DataFlareError`; ``column`` is the name that can't be given.
    """


class UnsupportedDataError(DataFlareError, TypeError):
    """The object given as data is neither a frame nor an Arrow stream, or what it holds is damaged.

    Attributes
    ----------
    plugin, column, expected, got, hint
        As in `DataFlareError`.
    """


class KernelCompileError(PluginError, TypeError):
    """Numba can't compile a kernel for the types of the columns.

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
        """Return what is wrong, without whose it is and what to do."""
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


class AnnotationWarning(UserWarning):
    """An annotation of a plugin's parameter says nothing, because a name in it can't be evaluated."""


class InterpretedWarning(UserWarning):
    """A plugin with ``fallback="python"`` isn't compiled, and ran in the Python interpreter."""


class KernelResultError(PluginError, TypeError):
    """What a kernel returns can't be a column.

    Attributes
    ----------
    plugin, column, argument, expected, got, hint
        As in `DataFlareError`.
    """


class StateError(PluginError, ValueError):
    """A state that was given to a run doesn't fit the plugin or its keys.

    Attributes
    ----------
    plugin, expected, got, hint
        As in `DataFlareError`.
    """


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
        """Return what is wrong, without whose it is and what to do."""
        if self.problem:
            return f"{super().said(spell)} with {self.reason}" if self.reason else super().said(spell)
        shown = self.rows or self.batch_rows
        rows = "row " if self.count == 1 else "rows "
        rows += ", ".join(map(str, shown)) + (", …" if self.count > len(shown) else "")
        if self.file is not None:
            rows += f" of `{self.file}`"
        if self.batch_of is not None:
            rows += f" of a batch that {self.batch_of} handed over, not of all data"
        if self.total is not None:
            return f"{self.count} of {self.total} rows failed, {rows}; the first with {self.reason}"
        return f"{rows} failed{'' if self.count == 1 else ', the first'} with {self.reason}"


class SourceError(DataFlareError, ValueError):
    """What a stream reads is damaged, or its columns change on the way.

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


class SinkError(DataFlareError, OSError):
    """What a stream makes can't be written where it should go; nothing half-written is left there.

    Attributes
    ----------
    file, hint
        As in `DataFlareError`.
    """

    def _where(self) -> str:
        return "" if self.file is None else f"can't write `{self.file}`: "


class StreamUsedError(DataFlareError, RuntimeError):
    """A stream is used that was used already: it passes its rows on once.

    Attributes
    ----------
    problem, hint
        As in `DataFlareError`.
    """


class PoolError(DataFlareError):
    """A memory pool, or a buffer of one, was used in a way that it can't be.

    Attributes
    ----------
    problem, hint
        As in `DataFlareError`.
    """


class PoolLimitError(PoolError, MemoryError):
    """A request would take a memory pool over its `max_bytes`.

    Attributes
    ----------
    problem, hint
        As in `DataFlareError`.
    waited : bool
        Whether it waited in vain for memory that others hold.
    """

    def __init__(self, problem: str = "", *, waited: bool = False, hint: str = "") -> None:
        self.waited = waited
        super().__init__(problem, hint=hint)
