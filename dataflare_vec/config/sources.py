"""Settings out of TOML files and environment variables, checked name by name against dataclasses.

Read by hand for the same reason that `config.settings` has.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.exceptions import ArgumentError

PREFIX = "DATAFLARE_VEC_"

# What Kubernetes sets in each container for a service whose name begins like ours: `dataflare-vec`,
# `dataflare-vec-batch` (https://kubernetes.io/docs/tutorials/services/connect-applications-service).
_OF_A_SERVICE = re.compile(
    r"\w*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"\s*([0-9.eE+-]+)\s*(us|ms|s|min|h)?\s*")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def read_toml(path: str | Path) -> dict[str, Any]:
    """Return the settings in a TOML file; of a pyproject.toml, those in ``tool.dataflare_vec``."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    path = Path(path)
    with path.open("rb") as file:
        try:
            content = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            msg = f"`{path}` is not valid TOML: {error}"
            raise ValueError(msg) from None
    if path.name == "pyproject.toml":
        content = content.get("tool", {}).get("dataflare_vec", {})
        if not isinstance(content, dict):
            msg = f"`{path}`: `tool.dataflare_vec` must be a table of settings, got {content!r}"
            raise ValueError(msg)
    return content


def read_environment(
    environ: Mapping[str, str], sections: Mapping[str, type], main: type, others: frozenset[str]
) -> dict[str, Any]:
    """Return the settings in variables that begin with `PREFIX`.

    Parameters
    ----------
    environ
        The variables.
    sections
        Dataclass of each field of ``main`` that holds settings of its own.
    main
        The dataclass of all settings.
    others
        Variables with the prefix that are no settings of ``main``.

    Raises
    ------
    ValueError
        If a variable with the prefix is none of them, nor one that Kubernetes sets for a service.
    """
    known: dict[str, tuple[str | None, str]] = {}
    for field in fields(main):
        section = sections.get(field.name)
        if section is None:
            known[PREFIX + field.name.upper()] = None, field.name
        else:
            short = field.name.removesuffix("_config").upper()
            for inner in fields(section):
                known[f"{PREFIX}{short}_{inner.name.upper()}"] = field.name, inner.name
    result: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in others:
            continue
        if variable not in known:
            if _OF_A_SERVICE.fullmatch(variable):
                continue
            msg = f"unknown setting `{variable}` in the environment; {near_matches(variable, known)}"
            raise ValueError(msg)
        section_name, name = known[variable]
        target = result if section_name is None else result.setdefault(section_name, {})
        target[name] = text
    return result


def merge(lower: Mapping[str, Any], higher: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, one level deep; ``higher`` wins."""
    result = dict(lower)
    for name, value in higher.items():
        old = result.get(name)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        result[name] = {**old, **value} if both else value  # type: ignore[dict-item]
    return result


def build(cls: Any, values: Mapping[str, Any], sections: Mapping[str, type], where: str) -> Any:
    """Make a dataclass of settings; texts become what their fields are.

    Raises
    ------
    ValueError
        If there is no field of a name, or the dataclass refuses a value; the message says ``where``.
    """
    known = {field.name: str(field.type) for field in fields(cls)}
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            msg = f"{where}: unknown setting `{name}`; {near_matches(name, known)}"
            raise ValueError(msg)
        section = sections.get(name)
        if section is not None and is_dataclass(section):
            if not isinstance(value, Mapping):
                msg = f"{where}: `{name}` must be a table of settings, got {value!r}"
                raise ValueError(msg)
            arguments[name] = build(section, value, {}, f"{where}, `{name}`")
        elif isinstance(value, str):
            arguments[name] = _parse(known[name], name, value, where)
        else:
            arguments[name] = value
    try:
        return cls(**arguments)
    except ArgumentError as error:
        error.fill(problem=f"{where}: {error.said()}")
        raise
    except (TypeError, ValueError) as error:
        msg = f"{where}: {error}"
        raise type(error)(msg) from None


def _parse(kind: str, name: str, text: str, where: str) -> Any:
    """Return a text as the value of a field."""
    text = text.strip()
    if kind.endswith("| None") and text.lower() in ("none", ""):
        return None
    expected = "a number"
    try:
        if kind.startswith("bool"):
            expected = "true or false"
            if text.lower() in (*_TRUE, *_FALSE):
                return text.lower() in _TRUE
            raise ValueError
        if kind.startswith("int"):
            expected = "an integer"
            return int(text)
        if kind.startswith("float"):
            return float(text)
        if kind.startswith("timedelta"):
            expected = "a number of seconds, optionally with a unit (us, ms, s, min, h), such as `50ms`"
            match = _DURATION.fullmatch(text)
            if match is None:
                raise ValueError
            return timedelta(seconds=float(match[1]) * _UNITS[match[2] or "s"])
    except (ValueError, OverflowError):
        msg = f"{where}: `{name}` must be {expected}, got {text!r}"
        raise ValueError(msg) from None
    return text
