"""What messages call the arguments of a call, for somebody who gives options."""

from __future__ import annotations

from dataflare_vec._util.suggestions import Argument, in_python

#: Options that have no value, or whose value says nothing.
_FLAGS = {
    "keep": "--only-new",
    "replace": "--replace",
    "resume": "--resume",
    "overwrite": "--overwrite",
    "has_header": "--no-header",
    "decimal_comma": "--decimal-comma",
}
#: Options of another name than the argument's.
_OTHERWISE = {
    "output": "COLUMN=PLUGIN",
    "null_values": "--null-value",
}
_OPTIONS = (
    "by",
    "compression",
    "encoding",
    "errors",
    "format",
    "input_format",
    "max_latency",
    "memory",
    "name",
    "on_error",
    "partition_by",
    "quote_char",
    "separator",
    "target",
    "version",
)


def option(argument: Argument) -> str:
    """Return the option that is an argument here; as Python has it, if there is none.

    Examples
    --------
    >>> option(Argument("on_error", "null", "drop")), option(Argument("lat", "…", parameter=True))
    ('--on-error null or drop', '--set lat=…')
    """
    name, values = argument.name, argument.values
    if argument.parameter:
        return f"--set {name}={' or '.join(map(str, values)) or '…'}"
    if name in _FLAGS:
        return _FLAGS[name]
    if name in _OTHERWISE:
        return _OTHERWISE[name]
    if name == "schema_overrides":
        return " ".join(["--dtype", *map(str, values)]) + " (if the file is CSV)"
    if name not in _OPTIONS:
        return in_python(argument)
    return " ".join([f"--{name.replace('_', '-')}", *([" or ".join(map(str, values))] if values else [])])
