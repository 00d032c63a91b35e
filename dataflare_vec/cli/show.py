"""``dataflare-vec show``: one plugin, as its author wrote it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common
from dataflare_vec.definition.annotations import shown_kind

if TYPE_CHECKING:
    from argparse import Namespace

    from dataflare_vec.definition.plugin import Plugin


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("show", help="show a plugin's parameters, documentation and origin")
    parser.add_argument("plugin", metavar="PLUGIN")
    common.add_plugins_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print what a plugin says about itself."""
    from dataflare_vec.definition.registry import default_registry

    common.load_plugins(options.plugins)
    details = details_of(default_registry.get(options.plugin))
    if options.json:
        sys.stdout.write(json.dumps(details, default=str) + "\n")
        return common.DONE
    documentation = details.pop("documentation")
    parameters = details.pop("parameters")
    sys.stdout.write(f"{details.pop('signature')}\n\n")
    for name, value in details.items():
        if value:
            sys.stdout.write(f"{name:<12} {value}\n")
    for each in parameters:
        sys.stdout.write(f"  {each['name']:<16} {each['kind']}{each['about']}\n")
    if documentation:
        sys.stdout.write(f"\n{documentation}\n")
    return common.DONE


def details_of(plugin: Plugin) -> dict[str, Any]:
    """Return all that is known about a plugin without data."""
    import inspect

    from dataflare_vec.definition.plugin import plain

    function = plain(plugin.function)
    is_function = inspect.isfunction(function)
    origin = plugin.__module__
    if is_function:
        origin += f", {inspect.getsourcefile(function)}:{inspect.getsourcelines(function)[1]}"
    shown = [p.name if p.is_column else f"{p.name}={p.default!r}" for p in plugin.parameters]
    kind = f"{plugin.form.value}, {plugin.info.plugin_type.value}"
    return {
        "signature": f"{plugin.name}({', '.join(shown)})",
        "kind": kind,
        "returns": "" if plugin.returns is None else str(plugin.returns),
        "version": plugin.info.version,
        "author": plugin.info.author,
        "from": origin if is_function else "an expression",
        "expression": "" if is_function else str(plugin.function),
        "parameters": [
            {
                "name": each.name,
                "kind": "column" if each.is_column else "constant",
                "about": _about(each),
            }
            for each in plugin.parameters
        ],
        "documentation": inspect.getdoc(function) if is_function else plugin.info.description,
    }


def _about(parameter: Any) -> str:
    parts = []
    if parameter.expects is not None:
        parts.append(shown_kind(parameter.expects))
    if parameter.nullable:
        parts.append("gets None for null")
    if not parameter.is_column:
        parts.append(f"{parameter.default!r} unless bound")
    return f", {', '.join(parts)}" if parts else ""
