"""The exceptions of dataflare_vec. All derive from `DataFlareError`; messages say what to do."""

from __future__ import annotations


class DataFlareError(Exception):
    """Base of everything that dataflare_vec raises on purpose."""


class PluginError(DataFlareError):
    """A plugin can't be had, defined or applied."""


class PluginNotFoundError(PluginError, KeyError):
    """No plugin of that name is registered."""

    __str__ = Exception.__str__  # KeyError would show the message in quotes


class DuplicatePluginError(PluginError, ValueError):
    """A plugin of that name is registered already."""


class PluginDefinitionError(PluginError, TypeError):
    """The object given can't be a plugin."""


class PluginDisabledError(PluginError, RuntimeError):
    """The plugin was disabled, and so doesn't run."""


class BindingError(PluginError, TypeError):
    """The bindings of a call don't fit the plugin's parameters."""


class ColumnNotFoundError(BindingError):
    """A column that the plugin reads isn't in the data."""


class ColumnTypeError(BindingError):
    """A column is of a type that the plugin can't read."""


class OutputNameError(PluginError, ValueError):
    """A name of an output column is taken, or there are too few or too many."""


class UnsupportedDataError(DataFlareError, TypeError):
    """The object given as data is neither a frame nor an Arrow stream, or what it holds is damaged."""


class KernelCompileError(PluginError, TypeError):
    """Numba can't compile a kernel for the types of the columns.

    Attributes
    ----------
    reason
        Why, in plain words.
    numba_message
        Numba's own words, in full.
    """

    reason: str = ""
    numba_message: str = ""


class AnnotationWarning(UserWarning):
    """An annotation of a plugin's parameter says nothing, because a name in it can't be evaluated."""


class InterpretedWarning(UserWarning):
    """A plugin with ``fallback="python"`` isn't compiled, and ran in the Python interpreter."""


class KernelResultError(PluginError, TypeError):
    """What a kernel returns can't be a column."""


class StateError(PluginError, ValueError):
    """A state that was given to a run doesn't fit the plugin or its keys."""


class RowError(PluginError):
    """Rows failed under ``on_error="raise"``; the first row's own exception is the cause.

    Attributes
    ----------
    plugin
        Name of the plugin.
    count
        How many rows failed, exactly.
    rows
        Indices of the first of them. None in a query of Polars or DuckDB: it hands rows over in batches, and
        where in the data one begins isn't known. (Polars makes the exception anew of its message, so `plugin`
        and `count` are empty there, too.)
    """

    def __init__(self, message: str, *, plugin: str = "", count: int = 0, rows: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.plugin = plugin
        self.count = count
        self.rows = rows


class SourceError(DataFlareError, ValueError):
    """What a stream reads is damaged, or its columns change on the way; the message says where."""


class SinkError(DataFlareError, OSError):
    """What a stream makes can't be written where it should go; nothing half-written is left there."""


class StreamUsedError(DataFlareError, RuntimeError):
    """A stream is used that was used already: it passes its rows on once."""
