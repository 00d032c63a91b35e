"""The common mistakes: how Numba's message and the code show them, what they are, and what to do instead.

A table, searched from top to bottom. To add one, make the mistake in
`tests/compiler/jit/test_failures.py` and look at what Numba says.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from numba.core import errors

from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.compiler.jit.diagnostics.general import GENERAL, SIGNS
from dataflare_vec.compiler.jit.diagnostics.inferred import plain_type
from dataflare_vec.compiler.jit.types.json import SAY_WHAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.diagnostics.source import Source


class Mistake(NamedTuple):
    """One mistake.

    Attributes
    ----------
    name
        What it is called in the tests.
    error
        Pattern that the start of Numba's message has, behind the name of the exception's class.
    reason, advice
        What to say. Fields are the groups of the two patterns, in plain words; ``{near}`` are names like the
        group ``name``: attributes of the module in the group ``module`` if there is one, else what the kernel
        can see. In patterns ``{own}`` is the kernel's own name.
    code
        Pattern of the expression or statement to put the mark under, as `ast.unparse` writes it. It may
        have fields with groups of ``error``.
    needs_code
        Whether it is this mistake only where there is such code.
    """

    name: str
    error: str
    reason: str
    advice: str
    code: str = ""
    needs_code: bool = False


class Recognised(NamedTuple):
    """What is said about a failure."""

    name: str
    reason: str
    advice: str
    node: Any = None


# What Numba calls the types of numbers, those that may be None included.
_NUMBER = r"(?P<type>OptionalType\(\w+\)|u?int\d+|float\d+|bool(?:ean)?|Literal\[(?:int|bool)\]\(-?\w+\))"
# Numba's own strings, and those of columns.
_STRING = r"(?:unicode_type|string(?:\[ascii\])?(?=[,)\s])|Literal\[(?:str|(?:String|Wide)Constant)\])"
_ANY_CLASS = r"\w+: "
_CALLS = _ANY_CLASS + r"No implementation of function [^\n]*\s+>>> "
_GLOBAL = _ANY_CLASS + r"Untyped global name '(?P<name>\w+)': Cannot determine Numba type of "
_ATTRIBUTE = _ANY_CLASS + r"Unknown attribute '(?P<name>\w+)' of type "
#: What that is one of `datetime`'s classes.
_OF_DATES = r"Function\(<class 'datetime\.(?P<class>\w+)'"
_OPCODE = r"UnsupportedBytecodeError: Use of unsupported opcode "


def _attribute(names: str) -> str:
    """Return the pattern of an attribute that a number doesn't have, one of some."""
    return _ANY_CLASS + rf"Unknown attribute '(?P<name>{names})' of type {_NUMBER}"


_METHOD = r".*\.{name}$"
_PYTHON = 'or keep it as it is and run it in the interpreter, slowly, with `fallback="python"`'

_ONE_ROW = "a row kernel sees one row: `{name}` asks for a whole column, but here is one value of it, {type}"
_WHOLE_COLUMN = (
    "compute it once with Polars and bind it (`parameter=pl.col(…).{name}()`), or write a "
    "`@dfv.column` kernel"
)
_DATES = (
    "annotate the parameter, as `when: datetime.datetime`: its `year`, `weekday()`, differences, "
    "`astimezone(…)`, `strftime(…)` and so on are known then"
)

_REGEX_CALL = r"(?:re\.)?(?:search|match|fullmatch|compile|split|findall|finditer|subn?)\("
_PATTERNS = (
    "use `search`, `match`, `fullmatch`, `findall`, `finditer`, `split` and `sub` of `re` or of a compiled "
    "pattern, and `group`, `groups`, `start`, `end` and `span` of a match; " + _PYTHON
)

_OF_A_ROW = "make one in the kernel for each row; to count over rows use `group_by`, a scan or a reduce"

#: Something that others are more exact about.
_VAGUE = "wrong arguments of a function"

MISTAKES = (
    Mistake(
        "writing JSON",
        _ANY_CLASS + r"(?:[^\n]*: )?`json.dumps` can't (?P<why>[^\n]*)",
        "`json.dumps` can't {why}",
        "convert values with `int(…)`, `float(…)` or `str(…)`, name options (`ensure_ascii=`, `sort_keys=` "
        "and `separators=` of constants), and write dicts of values of unlike types within the call",
    ),
    Mistake(
        "a value of JSON",
        r"(?s:.*)\bvalue of JSON\b",
        "a value of `json.loads` may be of any type, and this isn't compiled for all of them",
        SAY_WHAT + "; `d[key]`, `get`, `in`, `len`, `isinstance`, comparisons and methods of strings "
        "are known",
    ),
    Mistake(
        "the exception as a value",
        r"(?s:.*)\b(?:caught exception with its message|(?:arguments|class) of a caught exception)\b",
        "this isn't known of a caught exception in compiled code",
        "`str(e)`, `repr(e)`, `f\"{{e}}\"`, `e.args[0]` that is text and `type(e).__name__` are; " + _PYTHON,
    ),
    Mistake(
        "the text of an exception",
        r"(?s:.*)\bcaught exception\b",
        'what a caught exception says isn\'t known with `math="libm"`',
        "raise it or another one, or return a constant; " + _PYTHON,
    ),
    Mistake(
        "division of decimals",
        r"(?s:.*)`(?P<sign>//?|%)` of (?P<what>decimals isn't exact|integers of 128 bits isn't known)",
        "`{sign}` of {what}",
        "write `float(a) {sign} float(b)`, or scale integers of 64 bits",
        code=r".* {sign} ",
    ),
    Mistake(
        "an array that can't be written",
        r"(?s:.*)Cannot modify readonly array",
        "the array is read-only, as rows of lists and global arrays are",
        "work on a copy, as `a = a.copy()`",
        code=r".*\] = ",
    ),
    Mistake(
        "a string of another kind",
        r"(?s:.*)a string of another kind than those of compiled code: (?P<kind>[^\n]*)",
        "strings from outside of compiled code can't be compared here ({kind}): items of NumPy's arrays are, "
        "and what a function of your own `overload` returns",
        "keep them as a tuple of `str`, or bind them as a column or a constant",
        code=r".* (?:[=!]=|[<>]=?|in) ",
    ),
    Mistake(
        "a member shown as text",
        r"TypingError: the text of `(?P<member>[\w.]+)` isn't what it is: `(?P<way>\w+)` ",
        "`{member}` is a string that `{way}` shows as another one, which compiled code doesn't tell apart; "
        "and the kernel shows strings",
        "write `.value` behind the member",
        code=r"{member}$",
    ),
    Mistake(
        "an item that would be changed",
        r"(?s:.*?)an item of type (?P<given>[^\n]+?) where the others are (?P<wanted>[^\n]+)",
        "the items of a list, set or dict are of one type, here {wanted}: {given} would be taken as that",
        "give them one type, as `float(x)` or `int(x)`",
    ),
    Mistake(
        "a number of several kinds",
        r"(?s:.*?)a number that is (?P<kinds>[^\n]+?) seen as (?P<what>[^\n]+)",
        "a number is {kinds} by the way that a row takes, and in compiled code always the same: {what} would "
        "show another one than Python's",
        "give it one kind where it comes from: `float(n)`, `0.0` instead of `0`, `sum(xs, 0.0)`, `int(flag)`",
    ),
    Mistake(
        "the order of a set",
        r"(?s:.*?)the order of a set, which holds (?P<what>[^\n]*)",
        "in which order a set has its items, here {what}, isn't known to compiled code, and the result may "
        "depend on it",
        "take them in an order of their own, as `sorted(items)`; `in`, `len`, `min`, `max` of one set, and "
        "`sum` of integers need none",
        code=r"for |.* for |.*\(",
    ),
    Mistake(
        "the hash of text",
        r"(?s:.*?)the hash of text",
        "`hash` of text and bytes is another number in each process of Python",
        "take a digest, as `int.from_bytes(hashlib.md5(s.encode()).digest()[:8], \"big\")`, or "
        "`zlib.crc32(s.encode())`; to compare texts use `==`, or make them keys of a dict",
        code=r"hash\(",
    ),
    Mistake(
        "identity",
        r"(?s:.*?)`is` between (?P<what>[^\n]*)",
        "`is` asks whether two values are one object in memory, which compiled code doesn't know of {what}",
        "compare values, with `==`; `is` takes None, bools and members of enumerations",
        code=r".* is ",
    ),
    Mistake(
        "a template",
        r"(?s:.*?)a template that can't be filled: (?P<what>[^\n]*)",
        "the template can't be filled: {what}",
        "write an f-string with constant formats, as `f\"{{name:>9}} {{x:.2f}}\"`",
        code=r".*(?:\.format\(| % )",
    ),
    # -- regular expressions --------------------------------------------------------------------------------
    Mistake(
        "no pattern",
        r"(?:error|PatternError): (?P<problem>[^\n]*)",
        "the pattern isn't a regular expression: {problem}",
        "correct it; outside of kernels `re.compile(…)` says the same",
        code=_REGEX_CALL,
    ),
    Mistake(
        "a pattern that can't be compiled",
        r"(?s:.*?)the pattern (?P<pattern>[^\n]*) can't be compiled: (?P<what>[^\n;]*); (?P<advice>[^\n]*)",
        "{what}",
        "{advice}",
        code=_REGEX_CALL,
    ),
    Mistake(
        "a pattern that isn't known",
        r"(?s:.*?)the (?P<what>\w+) of `re\.(?P<name>\w+)` (?:is|are) known at run time",
        "the {what} of `re.{name}` must be known while the kernel is compiled",
        "write it as a constant, or as a global outside of the kernel; between a few choose with `if`",
        code=r"(?:\w+\.)*{name}\(",
    ),
    Mistake(
        "a replacement by a function",
        r"(?s:.*?)the replacement of `re\.(?P<name>\w+)` is a function",
        "`{name}` calls no function for each match in compiled code",
        "go over the matches: `for m in re.finditer(…, s): out += s[at:m.start()] + …; at = m.end()`, and "
        "`out += s[at:]` behind the loop",
        code=r"(?:\w+\.)+{name}\(",
    ),
    Mistake(
        "no template",
        r"(?s:.*?)the replacement (?P<text>[^\n]*) of `re\.(?P<name>\w+)` isn't one: (?P<problem>[^\n]*)",
        "the replacement {text} can't be read: {problem}",
        "name groups of the pattern, as `\\1` and `\\g<name>`, and a backslash as `\\\\`, in a raw string",
        code=r"(?:\w+\.)+{name}\(",
    ),
    Mistake(
        "a group that isn't there",
        r"(?s:.*?)the pattern (?P<pattern>[^\n]*) has no group (?P<group>[^\n]*), but (?P<known>[^\n]*)",
        "the pattern {pattern} has no group {group}",
        "it has the groups {known}",
    ),
    Mistake(
        "a group that isn't known",
        r"(?s:.*?)the group of a match is known at run time",
        "which group of a match is meant must be known while the kernel is compiled",
        "write its number or its name: `m[1]`, `m[\"name\"]`; between a few choose with `if`",
    ),
    Mistake(
        "a pattern of another kind of text",
        r"(?s:.*?)a pattern of (?P<own>strings|bytes) can't be searched for in (?P<other>[^\n]*)",
        "a pattern of {own} can't be searched for in {other}",
        "write the pattern as `rb\"…\"` for bytes and as `r\"…\"` for strings, or convert what is searched",
    ),
    Mistake(
        "a method of patterns or matches",
        _ATTRIBUTE + r"(?:OptionalType\()?(?P<kind>pattern|match)\b",
        "`{name}` of a {kind} isn't supported in compiled code",
        _PATTERNS,
        code=_METHOD,
    ),
    # -- names ----------------------------------------------------------------------------------------------
    Mistake(
        "unknown name",
        _ANY_CLASS + r"(?:NameError: )?name '(?P<name>\w+)' is not defined",
        "name `{name}` is not defined",
        "{near}",
        code=r"{name}$",
    ),
    Mistake(
        "a kernel that calls itself",
        _ANY_CLASS + r"Untyped global name '(?P<name>{own})': Cannot determine Numba type of <class",
        "a kernel can't call itself",
        "write it as a loop, or let the kernel call a `numba.njit` function that calls itself",
        code=r"{name}\(",
    ),
    Mistake(
        "a function of a library",
        _GLOBAL + r"<class 'function'>",
        "`{name}` is a library's, written in Python, which compiled code can't call",
        "write what you need of it as a function of your own; " + _PYTHON,
        code=r"{name}\(",
    ),
    Mistake(
        "a plugin that is no row kernel",
        _GLOBAL + r"<class 'dataflare_vec\.definition\.plugin\.Plugin'>",
        "`{name}` needs more than a row, and a kernel has one",
        "call a row kernel or a function, or run them one after the other: "
        '`dfv.apply(df, ["{name}", …])`',
        code=r"{name}\(",
    ),
    Mistake(
        "Decimal",
        _GLOBAL + r"<class 'type'>",
        "a kernel can't make a `Decimal`",
        "make it before, as a global or a default: `RATE = Decimal(\"0.19\")`; columns arrive as decimals",
        code=r"(?:decimal\.)?Decimal\(",
        needs_code=True,
    ),
    Mistake(
        "dates by name",
        r"(?s:.*)`datetime\.(?P<name>\w+)` takes (?P<what>[^\n]*) in a kernel",
        "`{name}` takes {what} in a kernel",
        "convert, as `int(…)`; for parts of a unit take a smaller one: `timedelta(minutes=90)`",
        code=r".*{name}\(",
    ),
    Mistake(
        "a class",
        _GLOBAL + r"<class 'type'>",
        "`{name}` is a class; a kernel can't make objects of it",
        "use numbers, tuples or a `typing.NamedTuple`, and functions instead of methods",
        code=r"{name}\(",
    ),
    Mistake(
        "a built-in that Numba lacks",
        _GLOBAL + r"<class 'builtin_function_or_method'>",
        "the built-in `{name}` isn't supported in compiled code",
        "files and evaluation can't be in a kernel; " + _PYTHON,
        code=r"{name}\(",
    ),
    Mistake(
        "what is no table",
        r"(?s:.*?)a table can't be made of `(?P<name>\w+)`: (?P<what>[^\n]*); (?P<advice>[^\n]*)",
        "`{name}` can't be a table: {what}",
        "{advice}",
        code=r"(?:\w+\.)*{name}$",
    ),
    Mistake(
        "a table that would be changed",
        r"(?s:.*?)(?:setitem|delitem)\(table\[(?P<kind>\w+) ",
        "the {kind} is read by all rows, and a row can't change it",
        _OF_A_ROW,
        code=r".*\] .?= ",
    ),
    Mistake(
        "a method of tables",
        _ATTRIBUTE + r"table\[(?P<kind>\w+) ",
        "the {kind} is read by all rows, which have no `{name}` of it",
        "there are `in`, `len`, `[…]`, and `get`, `keys`, `values`, `items` of dicts, `index` of lists; "
        + _OF_A_ROW,
        code=_METHOD,
    ),
    Mistake(
        "a table that can't be gone over",
        r"(?s:.*?)TypingError: (?P<what>a (?:dict|set|list|tuple) whose [^\n;]*); (?P<advice>[^\n]*)",
        "{what}",
        "{advice}",
        code=r"for ",
    ),
    Mistake(
        "a global object",
        _GLOBAL + r"<class '(?P<kind>[\w.]+)'>",
        "the global `{name}` is an object of class {kind}, which compiled code can't hold",
        "read what you need of it before, and give it to the kernel as a constant "
        "(`def kernel(x, limit=…)`); " + _PYTHON,
        code=r"{name}\b",
    ),
    # -- modules --------------------------------------------------------------------------------------------
    Mistake(
        "a data frame library",
        _ATTRIBUTE + r"Module\(<module '(?P<module>pandas|polars)\b",
        "`{module}` works on whole columns; a kernel sees the values of one row",
        "for missing values annotate the parameter `x: float | None` and test `x is None`, or `pd.isna(x)`; "
        "for operations on columns write a `@dfv.expression` plugin",
        code=_METHOD,
    ),
    Mistake(
        "what is missing of several values",
        r"(?s:.*)`pandas\.isna` takes one value here, not one of type (?P<type>[^\n]*)",
        "`isna` and `notna` of pandas take one value here, not {type}",
        "ask for each of the values",
        code=r".*(?:isna|isnull|notna|notnull)\(",
    ),
    Mistake(
        "dates by module",
        _ATTRIBUTE + r"Module\(<module '(?P<module>datetime)'",
        "this part of `{module}` isn't supported in compiled code",
        _DATES,
        code=_METHOD,
    ),
    Mistake(
        "a function of re",
        _ATTRIBUTE + r"Module\(<module '(?P<module>re)'",
        "`re.{name}` isn't supported in compiled code",
        _PATTERNS,
        code=_METHOD,
    ),
    Mistake(
        "random numbers",
        _ATTRIBUTE + r"Module\(<module '(?P<module>random|numpy\.random)'",
        "`{module}.{name}` isn't supported in compiled code",
        "add the random numbers as a column, from a seeded generator: the same data then gives the same "
        "result",
        code=_METHOD,
    ),
    Mistake(
        "a function that a known module lacks in Numba",
        _ATTRIBUTE + r"Module\(<module '(?P<module>math|cmath|operator|statistics|base64|hashlib|zlib|"
        r"functools|numpy(?:\.\w+)*)'",
        "`{module}.{name}` isn't known in compiled code",
        "compute it from functions that are: arithmetic, `math` and NumPy's functions of numbers; " + _PYTHON,
        code=_METHOD,
    ),
    Mistake(
        "an attribute that a module doesn't have",
        r"AttributeError: module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'",
        "module `{module}` has no `{name}`",
        "{near}",
        code=_METHOD,
    ),
    Mistake(
        "another module",
        _ATTRIBUTE + r"Module\(<module '(?P<module>[\w.]+)'",
        "module `{module}` isn't supported in compiled code",
        "compute what you need of it before and bind it as a column or a constant; " + _PYTHON,
        code=_METHOD,
    ),
    Mistake(
        "an unsupported NumPy function",
        _ANY_CLASS + r"Use of unsupported NumPy function '(?P<function>[\w.]+\.(?P<name>\w+))'",
        "`{function}` isn't known in compiled code",
        "write it with `if`, `min`, `max` and arithmetic of the row's numbers, or write a "
        "`@dfv.column` kernel, which runs NumPy on arrays",
        code=_METHOD,
    ),
    # -- one row, not a column ------------------------------------------------------------------------------
    Mistake(
        "a method of columns",
        _attribute(
            r"mean|sum|std|var|median|min|max|count|n_unique|quantile|cum_?sum|shift|diff|rolling\w*|"
            r"rank|sort\w*|unique|value_counts|values|to_numpy|shape|size|len|item|over|alias"
        ),
        _ONE_ROW,
        _WHOLE_COLUMN,
        code=_METHOD,
    ),
    Mistake(
        "nulls by method",
        _attribute(
            r"is_null|is_not_null|isnull|notnull|isna|notna|fillna|fill_null|is_nan|fill_nan|dropna|"
            r"drop_nulls"
        ),
        "numbers have no `{name}`; a null arrives as None, where the parameter allows it",
        "annotate the parameter `x: float | None` and test `x is None`; NaN is `x != x` or `math.isnan(x)`",
        code=_METHOD,
    ),
    Mistake(
        "a method that is a function",
        _attribute(
            r"round|abs|astype|cast|clip|sqrt|exp|log|floor|ceil|pow|is_in|isin|between|apply|map|"
            r"map_elements"
        ),
        "{type} has no method `{name}`: it is a number, not a column",
        "write `round(x, 2)`, `abs(x)`, `int(x)`, `min(max(x, low), high)`, `math.sqrt(x)`, `x in (1, 2)`",
        code=_METHOD,
    ),
    Mistake(
        "parts of dates",
        _attribute(
            r"year|month|day|hour|minute|second|weekday|isoweekday|date|strftime|days|seconds|"
            r"total_seconds|isoformat|timestamp|dt"
        ),
        "a kernel gets dates as integers, which have no `{name}`",
        _DATES,
        code=_METHOD,
    ),
    Mistake(
        "an attribute of a number",
        _ATTRIBUTE + _NUMBER,
        "{type} is a number and has no `{name}`",
        "bind a column that has it, or use functions of numbers (`abs`, `round`, `math`, NumPy)",
        code=_METHOD,
    ),
    Mistake(
        "a number as a sequence",
        _CALLS + r"(?:static_)?getitem\(" + _NUMBER + r",",
        "{type} is the value of one row, not a column: there is nothing to index",
        "use the value itself; other rows are seen by a `@dfv.column` kernel, or bind the neighbour, as "
        "`before=pl.col(…).shift(1)`",
        code=r"\w+\[",
    ),
    Mistake(
        "functions of sequences",
        _CALLS + r"(?P<name>len|sum|sorted|list|set|tuple|enumerate|zip|map|reversed|norm|det|inv|dot|cumsum|"
        r"diff|sort|unique|percentile|argmax|argmin|interp)\(" + _NUMBER,
        "`{name}` takes a sequence, and {type} is the value of one row, not a column",
        "compute over the column before and bind the result, as `total=pl.col(…).sum()`; within a row use "
        "`abs`, `min` and `max` of its values",
        code=r"[\w.]*{name}\(",
    ),
    Mistake(
        "a loop over a number",
        _ANY_CLASS + r"Invalid use of getiter with parameters \(" + _NUMBER,
        "{type} is the value of one row, not a column: there is nothing to loop over",
        "leave the loop out, the kernel is called for each row; or loop over `range(…)`",
        code=r"for ",
    ),
    # -- types ----------------------------------------------------------------------------------------------
    Mistake(
        "results of two types",
        _ANY_CLASS + r"Can't unify return type from the following types: (?P<types>[^\n]+)",
        "it returns values of different types: {types}",
        "return one type on every path (None may be among them), and tuples of one length",
        code=r"return\b",
    ),
    Mistake(
        "a variable of two types",
        _ANY_CLASS + r"Cannot unify (?P<one>[^\n]+?) and (?P<other>[^\n]+?) for '(?P<name>[$\w]+)[.\w]*'",
        "a value is {one} on one path and {other} on another",
        "give it one type on every path, or use two variables",
        code=r"(?:{name} = |\w+ = .* if |.* if )",
    ),
    Mistake(
        "an empty list or dict",
        _ANY_CLASS + r"Cannot infer the type of variable '(?P<name>\w+)[.\w]*'[^\n]*imprecise type",
        "`{name}` is empty, and nothing says what it is to hold",
        "begin with a value, or append one; often a plain variable for a count or a sum is enough",
        code=r"{name} = ",
    ),
    Mistake(
        "an empty list that is nothing but empty",
        _ANY_CLASS + r"Cannot infer the type of variable '\$[^']*'[^\n]*imprecise type",
        "an empty list or dict has no type, and nothing says what it would hold",
        "begin with a value and drop it, as `[0][:0]`, or append one",
        code=r"\[\]$|\{\}$|(?:list|dict|set)\(\)$",
    ),
    Mistake(
        "a dict of unlike items",
        _CALLS + r"setitem\(DictType\[",
        "the keys of a dict are of one type, and so are its values",
        "use a dict for each type, or `if` and `elif`",
        code=r"\{.*:|.*\] = ",
    ),
    Mistake(
        "other text in a list of constants",
        _CALLS + r"setitem\((?:reflected )?list\(string\[ascii\]\)",
        "a list made of ASCII constants holds ASCII text, and what is put in need not be that",
        "make a new list of what it shall hold, as `[text, items[1]]`",
        code=r".*\] = ",
    ),
    Mistake(
        "unlike items one after the other",
        _ANY_CLASS + r"Invalid use of getiter with parameters \((?P<types>(?:Named)?Tuple\(.*\))\)",
        "a loop variable has one type for all iterations, and the items of {types} differ in type",
        "unroll the loop, or give the items one type, as `float(x)`",
        code=r"for ",
    ),
    Mistake(
        "unlike items in order",
        r"AssertionError: Implementation function returned by `@overload` has an unexpected type",
        "items that are sorted are of one type, and these differ in type",
        "give the items one type, as `float(x)` or `str(x)`",
        code=r"sorted\(",
        needs_code=True,
    ),
    Mistake(
        "an item of a tuple by number",
        _CALLS + r"getitem\((?P<types>(?:Named)?Tuple\(.*\)), ",
        "which item is taken is known only at run time, and those of {types} differ in type",
        "take it by a constant, as `pair[0]`, or with `if`; or give the items one type",
        code=r".*\[",
    ),
    Mistake(
        "the time of the machine",
        _ANY_CLASS + r"Unknown attribute '(?P<name>now|today|utcnow|fromtimestamp)' of type " + _OF_DATES,
        "`{class}.{name}` depends on the machine's clock or its zone, which no kernel knows: a row would "
        "differ by when and where it is computed",
        "bind it as a constant, as `def kernel(when: datetime.datetime, now=…)`",
        code=r".*\.{name}",
    ),
    Mistake(
        "what a class of dates can't do",
        _ATTRIBUTE + _OF_DATES,
        "compiled code has no `{name}` of `datetime.{class}`",
        "there are `strptime`, `fromisoformat`, `fromordinal`, `fromisocalendar`, `combine`, "
        "`fromtimestamp(x, tz)`, and `{class}(…)` itself",
        code=r".*\.{name}",
    ),
    Mistake(
        "what dates can't do",
        _ATTRIBUTE + r"datetime\.(?P<class>\w+)",
        "a `{class}` has no `{name}` in compiled code",
        "write it with its parts (`year`, `hour`, `weekday()`), differences, `replace(…)`, `strftime(…)` or "
        "`isoformat()`; " + _PYTHON,
        code=_METHOD,
    ),
    Mistake(
        "an attribute of a class",
        _ATTRIBUTE + r"(?:Function\(|class\(|type\[|int$|int\b|float\b)",
        "`{name}` of a class isn't supported in compiled code",
        "call methods on values (`s.upper()` for `str.upper(s)`); bind what else a class knows, computed "
        "before",
        code=r".*\.{name}",
    ),
    Mistake(
        "what is computed of NumPy's bools",
        r"(?s:.*)\bcomputed of NumPy's bools",
        "`+` and `*` of NumPy's bools are bools, not numbers, and `-` of them is an error",
        "count with `int(np.isnan(x)) + int(np.isnan(y))`; or write `|`, `&` or `^`",
    ),
    Mistake(
        "`~` of a bool",
        r"(?s:.*)\binverted bool of Python's or NumPy's",
        "`~` of a bool of Python's is -1 or -2, and of NumPy's, as where its floats are compared, a bool",
        "write `not (…)`",
    ),
    Mistake(
        "an `isinstance` that a later one decides",
        _ANY_CLASS + r"what it is an instance of depends",
        "what this value is depends on another `isinstance` that comes after it",
        "assign what is of another class to a variable of its own",
    ),
    Mistake(
        "types as values",
        _CALLS + r"(?:type|eq|is_|ne|is_not)\((?:class\(|None|[^\n]*class\()?[^\n]*\)",
        "a type isn't a value in compiled code",
        "write `isinstance(x, int)`; mostly the test isn't needed, types are those of the columns",
        code=r".*type\(",
        needs_code=True,
    ),
    Mistake(
        "a function within that calls itself",
        _ANY_CLASS + r"Unsupported use of cell variable",
        "a function within a function can't call itself, nor be called before it is defined",
        "move it out of the kernel, to the top of the file",
        code=r"def ",
    ),
    Mistake(
        "text and numbers",
        _CALLS + r"(?:lt|le|gt|ge|i?add|sub|mul)\((?=[^\n]*" + _STRING + r")(?P<types>[^\n]*)\)",
        "strings and numbers can't be compared or added, got {types}",
        "compare and add values of one kind; convert with `float(…)`, `int(…)` or `str(…)`",
        code=r".* (?:<|<=|>|>=|\+|-|\*) ",
    ),
    Mistake(
        "bits of floats",
        _CALLS + r"(?:i?and_|i?or_|i?xor|i?[lr]shift|invert)\((?=[^\n]*float)(?P<types>[^\n]*)\)",
        "`&`, `|`, `^` and shifts work on integers and bools, got {types}",
        "use `and`, `or`, `not` for conditions, or `int(x)` for bits",
        code=r".*(?:&|\||\^|<<|>>|~)",
    ),
    Mistake(
        "arithmetic with a tuple or list",
        _CALLS + r"(?:truediv|floordiv|sub|mul|pow|mod|neg|i\w+)\((?=[^\n]*(?:Tuple|list|List)\()"
        r"(?P<types>[^\n]*)\)",
        "this arithmetic isn't supported for tuples and lists, got {types}",
        "compute each item on its own",
        code=r".*(?:/|\*|-|%)",
    ),
    Mistake(
        "a number that is too large",
        _ANY_CLASS + r"Int value is too large: (?P<value>-?\d+)",
        "integers have 64 bits here, and {value} needs more",
        "write it as a float (`1e20`), or split it",
        code=r"-?{value}$",
    ),
    Mistake(
        "arguments that don't fit",
        _ANY_CLASS + r"Cannot bind 'args=[^\n]*' to signature '(?P<signature>[^']*)' due to "
        r"\"TypeError: (?P<problem>[^\"]*)\"",
        "the arguments don't fit `{signature}`: {problem}",
        "give each parameter one argument",
        code=r"\w+\(",
    ),
    Mistake(
        "starred list",
        _ANY_CLASS + r"\*args in function call should be a tuple",
        "`*` in a call takes a tuple, whose length is known when the kernel is compiled",
        "write a tuple instead of the list, or the arguments one by one",
        code=r".*\*\w+",
    ),
    Mistake(
        "keywords from a dict",
        _OPCODE + r"\((?:DICT_MERGE|CALL_FUNCTION_EX)\)",
        "`**` in a call isn't supported in compiled code",
        "write the keywords one by one",
        code=r".*\(.*\*\*\w+",
    ),
    Mistake(
        "print with options",
        _ANY_CLASS + r"Numba's print\(\) function implementation does not support keyword",
        "`print` takes no `file`, `sep` or `end` in compiled code",
        "leave them out, or better the whole `print`: look at rows with `on_error=\"null\"` and `dfv.run`",
        code=r"print\(",
    ),
    Mistake(
        "a call that doesn't fit",
        _ANY_CLASS + r"(?P<what>a call of `[^`]*` doesn't fit its parameters: .*)",
        "{what}",
        "give each parameter without a default one value, by its place or by its name",
    ),
    Mistake(
        "stars within a kernel",
        _ANY_CLASS + r"(?:(?P<what>`[^`]*`(?:, which is handed on,)? has a parameter with a star)"
        r"|Calling a closure with \*args)",
        "a function within a kernel takes a number of arguments that is known: no `*` and `**`",
        "write its parameters one by one, or hand it a tuple; or move it to the top of the file",
    ),
    # -- statements -----------------------------------------------------------------------------------------
    Mistake(
        "exceptions by class",
        r"(?s:.*)an `except` of classes that aren't known",
        "which classes an `except` catches must be known while the kernel is compiled",
        "write them there, or as a global outside of the kernel: `ERRORS = (ValueError, KeyError)`",
        code=r"try:",
    ),
    Mistake(
        "exceptions in an inner function",
        rf"(?:{_CALLS}exception_match\(|\w+: 'Tuple' object has no attribute 'exc_class'"
        r"|UnsupportedBytecodeError: (?:Exception object cannot be stored|The re-raising)"
        r"|ValueError: Multiple argument raise)",
        "in a function within the kernel, and before Python 3.11, an `except` catches all exceptions, "
        "and raises none again",
        "move the function outside of the kernel; for Python 3.10 write `except Exception:`",
        code=r"try:",
    ),
    Mistake(
        "no error",
        r"\w+: (?:Encountered unsupported (?:constant type used for exception|exception constant)"
        r"|'\w+' object has no attribute 'func'$)",
        "only errors of a row can be raised: classes that derive from `Exception`, with plain arguments",
        "raise one of these, as `raise ValueError(…)`; the row is reported with it",
        code=r"raise\b",
    ),
    Mistake(
        "formats with %",
        _CALLS + r"mod\(" + _STRING,
        "what `%` formats by must be known while the kernel is compiled",
        "write the template as a constant, or use an f-string, as `f\"{{x:.2f}}\"`",
        code=r".* % ",
    ),
    Mistake(
        "a table of translate",
        _ANY_CLASS + rf"Unknown attribute '(?P<name>translate)' of type {_STRING}",
        "which characters `translate` replaces must be known while the kernel is compiled",
        "make the table outside, `TABLE = str.maketrans(…)`, or of constants",
        code=_METHOD,
    ),
    Mistake(
        "methods of strings",
        _ATTRIBUTE + _STRING,
        "strings have no `{name}` in compiled code",
        "use other ones (`upper`, `strip`, `replace`, `split`, `find`, f-strings), "
        "or do this part with Polars (`pl.format`, `.str`)",
        code=_METHOD,
    ),
    Mistake(
        "with",
        r"\w+: (?:The 'with|[^\n]*(?:context manager|BEFORE_WITH|with-context))",
        "`with` opens something, which compiled code can't do",
        "read files before, into columns or constants",
        code=r"with ",
    ),
    Mistake(
        "a generator that is handed on and read as well",
        r"(?s:.*)a generator is handed on and read as well",
        "a generator that another one reads, or that is kept in a list or a dict, goes on by itself there, "
        "so that nothing else may read it",
        "make one for each that reads it, or make a list of what it yields, `values = list(…)`",
    ),
    Mistake(
        "generator expressions",
        # The second is from Python 3.13 on, where warnings are errors.
        _ANY_CLASS + r"(?:The use of yield in a closure is un|Assigning a code object of non-matching )",
        "a generator expression is compiled only as an argument of `any`, `all`, `sum`, `min`, `max`, "
        "`sorted`, `list`, `set`, `join` or `next(…, default)`",
        "write a list, `[… for … in …]`, or a loop",
        code=r"\(.* for .* in |def ",
    ),
    Mistake(
        "global variables that change",
        _OPCODE + r"\(STORE_GLOBAL\)",
        "a kernel can't change a global variable: rows are computed in any order, by several threads",
        "sums and counts are `@dfv.reduce`'s work, running ones `@dfv.scan`'s",
        code=r"\w+ (?:=|[-+*/]=) ",
    ),
    Mistake(
        "a class or import inside",
        _OPCODE + r"\((?:LOAD_BUILD_CLASS|IMPORT_NAME)\)",
        "classes can't be within a kernel, nor imports but of the standard library and NumPy",
        "move it out of the function, to the top of the file",
        code=r"(?:class|import|from) ",
    ),
    Mistake(
        "patterns of match",
        _OPCODE + r"\(MATCH_\w+\)",
        "`match` knows plain values and sequences here, no patterns of mappings or classes",
        "write `if` and `elif`",
        code=r"match ",
    ),
    Mistake(
        "unpacking",
        r"(?:\w+: failed to unpack|"
        r"\w+: \('wrong tuple length)",
        "the names on the left don't match the values on the right",
        "give as many names as there are values, of a tuple",
        code=r".*, .* = |\(.*\) = ",
    ),
    Mistake(
        "deleted names and items",
        r"(?:CompilerError: Illegal IR, del found|AssertionError: *$)",
        "`del` isn't supported in compiled code in this place",
        "leave it out, or build a new list without the item",
        code=r"del ",
        needs_code=True,
    ),
    Mistake(
        "a dict that only grows",
        _CALLS + r"impl_(?P<name>\w+)\(DictType\[undefined,undefined\]"
        r"|\w+: Undecided type \$\S*load_method[^\n]*",
        "what an empty dict holds isn't known where it is first asked for something",
        "say what to take where there is nothing, as `counts.get(key, 0)`, or put something in before",
        code=r".*\.(?:get|pop|setdefault)\(",
        needs_code=True,
    ),
    Mistake(
        "a random number of no row",
        _CALLS + r"(?:uniform|normal|bits)\([^,\n]*\)",
        "a kernel doesn't know its row's number",
        "take it from a column, `dfv.random.uniform(seed, row)`; `row=pl.int_range(pl.len())` numbers rows",
        code=r".*\brandom\.\w+\(",
        needs_code=True,
    ),
    Mistake(
        _VAGUE,
        _CALLS + r"(?:impl_|ol_(?:dict_|set_|list_)?|_)?(?P<name>\w+)\((?P<types>[^\n]*)\)",
        "`{name}` isn't known in compiled code for ({types})",
        "look at the number and the types of the values; convert with `float(…)`, `int(…)` or `str(…)`, or "
        "write what you need of it as a function of your own",
        code=r"[\w.]*\b{name}\(",
    ),
    *(Mistake(*row) for row in GENERAL),
    Mistake(
        "another construct",
        r"UnsupportedBytecodeError: (?P<what>[^\n]*?)(?:\.\. Raised from|\. Raised from|$)",
        "compiled code can't do this: {what}",
        "write it in simpler statements; " + _PYTHON,
    ),
)  # fmt: skip

_UNKNOWN_ADVICE = (
    "use numbers, `math`, NumPy's functions of numbers and other `numba.njit` functions, or an expression "
    f"plugin; {_PYTHON}"
)
_INNER_ADVICE = (
    "write it in another way, with numbers, strings and lists of one kind in variables of their own; "
    + _PYTHON
)


def recognise(message: str, source: Source, line: int | None, function: Callable[..., Any]) -> Recognised:
    """Return what is said about a failure.

    Parameters
    ----------
    message
        The exception's class and Numba's text.
    source
        Of the function that failed.
    line
        Where, if that is known.
    function
        The function itself.
    """
    own = _OWN_WORDS.search(message)
    for mistake in MISTAKES:
        if own and mistake.name == _VAGUE:
            continue
        found = re.match(mistake.error.replace("{own}", re.escape(function.__name__)), message)
        if found is None:
            continue
        fields = {name: text or "" for name, text in found.groupdict().items()}
        node = None
        if mistake.code:
            node, more = _find_code(mistake.code, fields, source, line)
            if node is None and mistake.needs_code:
                continue
            fields.update(more)
        shown = {name: plain_type(text) for name, text in fields.items()}
        if mistake.name == _VAGUE:
            shown["name"] = SIGNS.get(shown["name"], shown["name"])
        shown["near"] = _near(fields, function)
        return Recognised(
            mistake.name, mistake.reason.format_map(shown), mistake.advice.format_map(shown), node
        )
    kind, _, words = message.partition(": ")
    words = own["text"] if own else words
    first = next((plain_type(line.strip()) for line in words.splitlines() if line.strip()), "")[:300]
    if _is_inner(kind, first):
        raised = f" ({kind}: {first})" if first else ""
        return Recognised("", f"the compiler itself failed on it{raised}", _INNER_ADVICE)
    return Recognised("", first, _UNKNOWN_ADVICE)


#: What an implementation of ours says, somewhere in a long message of Numba's.
_OWN_WORDS = re.compile(
    r"raised a specific error:\s+TypingError: (?P<text>[^\n]+)\s+raised from [^\n]*dataflare_vec/"
)


def _is_inner(kind: str, text: str) -> bool:
    """Whether an exception isn't one by which Numba says what is wrong with the code."""
    return not text or not hasattr(errors, kind)


def _find_code(
    pattern: str, fields: dict[str, str], source: Source, line: int | None
) -> tuple[Any, dict[str, str]]:
    """Return the innermost node that a pattern fits, on the line or else anywhere, and its groups."""
    escaped = {name: re.escape(text) for name, text in fields.items()}
    for name, text in escaped.items():  # not by `format`: patterns have braces of their own
        pattern = pattern.replace(f"{{{name}}}", text)
    compiled = re.compile(pattern, re.DOTALL)
    places = [list(source.nodes(line)), list(source.nodes())]
    for nodes, kind in product(places, (ast.expr, ast.stmt)):
        texts = [(ast.unparse(node), node) for node in nodes if isinstance(node, kind)]
        matches = [(found, node) for text, node in texts if (found := compiled.match(text))]
        if matches:
            found, node = min(matches, key=lambda pair: len(pair[0].string))  # the innermost
            return node, {name: text or "" for name, text in found.groupdict().items()}
    return None, {}


def _near(fields: dict[str, str], function: Callable[..., Any]) -> str:
    """Return names like the one in ``fields``, of a module or of what a function can see."""
    if "module" in fields:
        known = [name for name in dir(sys.modules.get(fields["module"])) if not name.startswith("_")]
    else:
        code = function.__code__
        known = [*code.co_varnames, *code.co_freevars, *function.__globals__, *dir(builtins)]
    near = near_matches(fields.get("name", ""), known)
    return (
        near
        if near.startswith("did you mean")
        else "define it before the kernel, or spell it as it is defined"
    )
