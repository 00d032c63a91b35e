"""The types that Numba had found for a kernel's variables when it gave up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numba
from numba.core import compiler, typed_passes, types
from numba.core.compiler_machinery import FunctionPass, PassManager, register_pass

from dataflare_vec.compiler.jit.lowering.containers import no_cast_warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class _Found(Exception):  # not an error: it ends the compilation
    def __init__(self, typemap: dict[str, Any]) -> None:
        super().__init__()
        self.typemap = typemap


@register_pass(mutates_CFG=False, analysis_only=True)
class _Stop(FunctionPass):  # type: ignore[misc]
    _name = "dfv_stop_with_types"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        raise _Found(state.typemap)


class _InferenceOnly(compiler.CompilerBase):  # type: ignore[misc]
    """Numba's passes up to the inference of types, which goes on where it fails."""

    def define_pipelines(self) -> list[Any]:
        manager = PassManager("dfv_inference_only")
        for entry in compiler.DefaultPassBuilder.define_untyped_pipeline(self.state).passes:
            manager.add_pass(*entry)
        manager.add_pass(typed_passes.PartialTypeInference, "types as far as they are known")
        manager.add_pass(_Stop, "stop")
        manager.finalize()
        return [manager]


def infer_names(function: Callable[..., Any], arguments: Sequence[Any]) -> dict[str, str]:
    """Return the types of a function's variables, as far as Numba finds them; several where they differ."""
    try:
        with no_cast_warnings():
            numba.njit(pipeline_class=_InferenceOnly)(function).compile(tuple(arguments))
    except _Found as found:
        typemap = found.typemap
    except Exception:  # the failure that is being explained already
        return {}
    known: dict[str, list[str]] = {}
    for name, kind in typemap.items():
        variable = name.partition(".")[0]
        if variable.isidentifier() and variable != "arg" and kind not in (types.unknown, types.undefined):
            shown = plain_type(str(kind))
            if shown not in known.setdefault(variable, []):
                known[variable].append(shown)
    return {name: " or ".join(shown) for name, shown in known.items()}


_WORDS = (
    (r"OptionalType\(match of pattern \w+ in (?:string(?:\[ascii\])?|bytes view)\)", "a match or None"),
    (r"(match|pattern)(?: of pattern)? [0-9a-f]{32}(?: in (?:string(?:\[ascii\])?|bytes view))?", r"a \1"),
    (r"pieces\([^()]*\)|List\((string(?:\[ascii\])?), \w+\)", "list of str"),
    (r"iter\(rowlist\((.*?)\)\)", r"iterator of (\1)"),
    (r"rowlist\(", "list of ("),
    (r"DictType\[undefined,undefined\]", "an empty dict"),
    (r"(keys|values|items) of table\[(\w+) [0-9a-f]+\]", r"\1 of a \2"),
    (r"table\[(\w+) [0-9a-f]+\]", r"a \1"),
    (r"bytes view", "bytes"),
    (r"LiteralStrKey\[Dict\]\(\{[^}]*\}\)", "a dict"),
    (r"DictType\[(\w+(?:\[ascii\])?),(\w+(?:\[ascii\])?)\]", r"dict of \1 to \2"),
    (r"slice<a:b(?::c)?>", "a slice"),
    (r"Literal\[(?:int|bool)\]\((-?\w+)\)", r"\1"),
    (r"Literal\[(?:str|(?:String|Wide)Constant)\]\(([^)]*)\)", r"'\1'"),
    (r"unicode_type|string\[ascii\]|\bstring\b", "str"),
    (r"<iv=[^>]*>", ""),
    (r"\bnatural(?:64)?\b", "uint64"),
    (r"(?:reflected )?list\(", "list of ("),
    (r"OptionalType\((\w+)\)", r"\1 or None"),
    (r"(?<!')\bnone\b(?!')", "None"),
    (r"UniTuple\((.+?) x (\d+)\)", r"tuple of \2 \1"),
    (r"(?:Named|Hetero)?Tuple\(", "tuple of ("),
    (r"Function\(<(?:class|built-in function) '?(\w+)'?>\)", r"\1"),
    (r"type\(CPUDispatcher\(<function ([\w.<>]+) at 0x\w+>\)\)", r"\1"),
    (r"Module\(<module '([\w.]+)'[^>]*>\)", r"module \1"),
    (r"array\((\w+), (\d)d, \w+\)", r"array of \1"),
    (r"readonly (?=array)", ""),
    (r"(?:type\()?CPUDispatcher\(<function (?:[\w<>]+\.)*_?(\w+?)_? at \w+>\)\)?", r"the function `\1`"),
    (r"<function (?:[\w<>]+\.)*(\w+) at \w+>", r"the function `\1`"),
    (r"class\(<class '(?:[\w<>]+\.)*(\w+)'>\)", r"the class `\1`"),
    (r"class\((\w+)\)|type\[(\w+)\]", r"the class of \1\2"),
    (r"(?:Int)?Enum(?: class)?<\w+>\((\w+)\)", r"\1"),
    (r"LiteralList\(\((.*?)\)\)", r"list of (\1)"),
    (r"\bset\((\w+)\)", r"set of \1"),
    (r"omitted\(default=([^()]*)\)", r"\1"),
    (r"\brange(?:_state)?_\w+", "a range"),
    (
        r"\b(?!of\b|is\b)([A-Za-z_]\w*)\((?:u?int\d+|float\d+|bool|str|bytes|None)"
        r"(?:(?:, | x )(?:u?int\d+|float\d+|bool|str|bytes|None|\d+))*\)",
        r"`\1`",
    ),
)


def plain_type(text: str) -> str:
    """Return Numba's name of a type, or of several, in Python's words.

    Examples
    --------
    >>> plain_type("OptionalType(float64)"), plain_type("Literal[str](no), UniTuple(int64 x 2)")
    ('float64 or None', "'no', tuple of 2 int64")
    """
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)
    return text
