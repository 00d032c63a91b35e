"""What is said where no mistake of the table is recognised: Numba's kinds of messages, in other words.

Each row is the name of a mistake, the pattern of a message, reason, advice, and the code to mark, as
`Mistake` has them.
"""

from __future__ import annotations

_ANY_CLASS = r"\w+: "
_PYTHON = 'or keep it as it is and run it in the interpreter, slowly, with `fallback="python"`'
_OTHERWISE = "write what you need of it as a function of your own; " + _PYTHON
_CONVERT = "give it one type on every path, as `float(x)` or `int(x)`"

#: How operations that Numba names are written.
SIGNS = {
    **{"getitem": "[…]", "static_getitem": "[…]", "setitem": "[…] = …", "delitem": "del …[…]"},
    **{"contains": "in", "neg": "-", "pos": "+", "invert": "~", "not_": "not", "truth": "if"},
    **{"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "matmul": "@"},
    **{"iadd": "+=", "isub": "-=", "imul": "*=", "itruediv": "/=", "ifloordiv": "//=", "imod": "%="},
    **{"and_": "&", "or_": "|", "xor": "^", "lshift": "<<", "rshift": ">>", "ipow": "**="},
    **{"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "is_": "is", "is_not": "is not"},
    **{"text_of": "str", "in_place_of": "str", "format_of": "format", "impl": "@", "character_of": "chr"},
}

GENERAL = (
    (
        "fields of a named tuple",
        r"TypeError: In '<class '(?:[\w<>]+\.)*(?P<name>\w+)'>': (?P<problem>[^\n]*)",
        "the values don't fit the fields of `{name}`: {problem}",
        "give each field one value",
        r"(?:\w+\.)*{name}\(",
    ),
    (
        "a field that is set",
        r"(?s:.*?)(?:Cannot resolve setattr: \((?P<type>.+?)\)\.(?P<name>\w+) ="
        r"|No definition for lowering (?P<owner>.+?)\.(?P<field>\w+) = )",
        "values keep the fields they have: `{name}{field}` of {type}{owner} can't be set",
        "keep it in a variable, or make a new value, as `row._replace({name}{field}=…)` of a named tuple",
        r".*\.(?:{name}{field}) .?= ",
    ),
    (
        "an attribute that isn't known",
        r"(?:\w+: Unknown attribute '(?P<name>\w+)' of type (?P<type>[^\n]+)"
        r"|NotImplementedError: No definition for lowering (?P<owner>[^\n]+)\.(?P<field>\w+)$)",
        "`{name}{field}` of {type}{owner} isn't known in compiled code",
        "use its other methods and fields, or " + _OTHERWISE,
        r".*\.(?:{name}{field})$",
    ),
    (
        "a loop over something else",
        _ANY_CLASS + r"Invalid use of getiter with parameters \((?P<types>[^\n]*)\)",
        "compiled code can't go over {types}",
        "loop over a range, a string, an array, a list, or a tuple whose items are of one type",
        r"for |.* for ",
    ),
    (
        "arguments of a method",
        _ANY_CLASS + r"Invalid use of BoundFunction\([^\n]*?\.(?P<name>\w+) for (?P<type>[^\n]+)\) with "
        r"parameters \((?P<types>[^\n]*)\)",
        "`{name}` of {type} isn't known for ({types})",
        "the items of a list, set or dict are of one type; convert, as `float(x)`, `int(x)` or `str(x)`",
        r".*\.{name}\(",
    ),
    (
        "a call of what is no function",
        _ANY_CLASS + r"Invalid use of (?P<type>[^\n]+?) with parameters \((?P<types>[^\n]*)\)",
        "{type} can't be called with ({types}) in compiled code",
        "call functions and methods that are known here, or " + _OTHERWISE,
        "",
    ),
    (
        "a value of another type",
        _ANY_CLASS + r"No conversion from (?P<one>[^\n]+?) to (?P<other>[^\n]+?) for '(?P<name>[^'\n]*)'",
        "a value is {one} where {other} is wanted",
        _CONVERT + "; or use two variables",
        "",
    ),
    (
        "an item that is set",
        _ANY_CLASS + r"Cannot resolve (?:setitem|delitem): (?P<type>[^\n]+?)\[",
        "items of {type} can't be set or deleted so",
        "make a new list or tuple of what it shall hold",
        r".*\] .?= |del ",
    ),
    (
        "a function that escapes",
        r"(?s:.*?)(?:Cannot capture the non-constant value associated with variable '(?P<name>\w+)'"
        r"|Can't return function object|Cannot capture a constant value for variable)",
        "a function is returned or kept, and a kernel gives values only",
        "call it where it is made, or move it out of the kernel and hand it what it needs",
        r"return\b|lambda\b|def ",
    ),
    (
        "what a dict can't hold",
        _ANY_CLASS + r"(?P<type>[^\n]+?) as (?P<place>key|value) is forbidden",
        "{type} can't be a {place} of a dict in compiled code",
        "keep numbers, strings and tuples of these there, or a list of its own beside the dict",
        r"\{{.*:|.*\] = ",
    ),
    (
        "a type that stays open",
        _ANY_CLASS + r"(?:non-precise type|Undecided type|Cannot infer the type|[^\n]*imprecise type|"
        r"return value is undefined|cannot type infer runaway recursion)",
        "the type of a value can't be found",
        _CONVERT + "; an empty list or dict begins with a value, and a function that calls itself returns a "
        "value on a path of its own",
        "",
    ),
)  # fmt: skip
