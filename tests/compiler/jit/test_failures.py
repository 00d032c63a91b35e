"""Each mistake of the table is made by a kernel, and the message says what is to be known."""

from __future__ import annotations

import collections
import datetime
import glob
import json
import logging
import math
import random
import re
import sys
from datetime import date
from decimal import Decimal
from enum import Enum
from statistics import mean
from typing import NamedTuple

import numba
import numpy as np
import pandas as pd
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.jit.diagnostics.mistakes import MISTAKES, recognise
from dataflare_vec.compiler.jit.diagnostics.source import Source
from dataflare_vec.definition.plugin import Form, define

RATES = {"EUR": [1.0], 840: 2.0}
WEIGHED = {"EUR": 1.0, 1: 2.0}
LIMITS = [1.0, 2.0]
RATE = Decimal("0.19")
WEIGHTS = np.ones(3)
TOTAL = 0.0
NAMES = np.array(["1.0", "2.0"])
logger = logging.getLogger("kernel")


class Money:
    def __init__(self, cents):
        self.cents = cents


class Level(str, Enum):
    LOW = "low"


class Colour(Enum):
    RED = 1


class Pair(NamedTuple):
    low: float
    high: str


@numba.njit
def added(a, b):
    return a + b


@numba.njit
def inner(value):
    return value.mean()


@dfv.column
def neighbour_plugin(x):
    return x


def unknown_name(price):
    return prcie * 2  # noqa: F821


def calls_itself(x):
    return 1 if x < 2 else x * calls_itself(x - 1)


def library_function(x):
    return mean(x)


def other_plugin(x):
    return neighbour_plugin(x)


def decimal(x):
    return Decimal("1.5") * x


def date_name(x):
    return date(x, 1, 1)


def class_(x):
    return Money(x).cents


def builtin(x):
    return eval("x + 1")


def no_table(x):
    return RATES["EUR"][int(x)] * x


def changes(x):
    LIMITS[0] = x
    return x


def table_method(x):
    LIMITS.append(x)
    return x


def unlike_keys(x):
    for key in WEIGHED:
        x += key
    return x


def counts(x):
    tally[x] += 1
    return x


tally = collections.Counter()


def global_object(x):
    logger.info("row")
    return x


def pandas_function(x):
    return pd.to_numeric(x)


def pandas_of_several(x):
    return pd.isna((x, x))


def datetime_module(x):
    return datetime.datetime_CAPI


def current_time(x):
    return datetime.datetime.now().hour


def current_day(x):
    return date.today().day


def date_function(x):
    return date.mro()


def date_method(x):
    return datetime.date(2024, 1, 1).ctime()


def divided_decimal(x):
    return float(RATE / 2) * x


def written_array(x):
    WEIGHTS[0] = x
    return x


def regular_expression(x):
    re.purge()
    return x


def no_pattern(x):
    return re.search("(", str(x)) is not None


def back_reference(x):
    return re.search(r"(a)\1", str(x)) is not None


def pattern_at_run_time(x):
    return re.search(str(x), "a") is not None


def replaced_by_function(x):
    return re.sub("a", lambda m: m[0], str(x))


def no_template(x):
    return re.sub("a", r"\1", str(x))


def no_such_group(x):
    m = re.search("(a)", str(x))
    return m.group(2)


def group_at_run_time(x):
    m = re.search("(a)", str(x))
    return m.group(int(x))


def text_and_bytes(x):
    return re.search(b"a", str(x)) is not None


def match_method(x):
    m = re.search("(a)", str(x))
    return m.lastindex


def random_module(x):
    return random.choice((1, 2)) * x


def math_function(x):
    return math.ulp(x)


def module_attribute(x):
    return np.absolut(x)


def other_module(x):
    return glob.escape("1") + x


def value_of_json(x):
    return json.loads("1") + x


def written_as_json(x):
    return json.dumps(x, indent=1)


def numpy_function(x):
    return np.vectorize(abs)(x)


def column_method(x):
    return x - x.mean()


def null_method(x):
    return x.fillna(0.0)


def function_method(x):
    return x.round(2)


def date_part(x):
    return x.year


def number_attribute(x):
    return x.upper()


def index(x):
    return x[0]


def length(x):
    return len(x)


def loop(x):
    total = 0.0
    for value in x:
        total += value
    return total


def two_results(x):
    if x > 1:
        return 1
    return "no"


def two_types(x):
    label = "low"
    if x > 1:
        label = 1
    return len(str(label))


def empty_list(x):
    seen = []
    return x + len(seen)


def text_and_number(x):
    return x < "1"


def bits(x):
    return (x > 1) & x


def tuple_arithmetic(x):
    return ((x, x) / 2)[0]


def large(x):
    return 123456789012345678901234567890


def arguments(x):
    return added(x)


def arguments_within(x):
    def inner(y):
        return y

    return inner(x, 2)


def stars_within(x):
    def inner(y, *more):
        return y

    return inner(x, 2)


def starred(x):
    both = [x, 1.0]
    return max(*both)


def keywords(x):
    options = {"a": 1.0, "b": x}
    return added(**options)


def printed(x):
    print(x, end="")  # noqa: T201
    return x


def caught_value(x):
    try:
        return 1 // x
    except Exception as error:
        return len(error.args)


def caught_unknown(x):
    kinds = ValueError if x > 1 else KeyError
    try:
        return 1 // x
    except kinds:
        return 0


def caught_within(x):
    def inner(y):
        try:
            return 1 // y
        except ValueError:
            return 0

    return inner(x) + inner(x + 1)


def percent(x):
    return len(f"{x} %s" % x)


def template(x):
    return len("{}{0}".format(x))  # noqa: F525


def string_method(x):
    return len(f"{x}".format_map({}))


def with_(x):
    with open("rates.csv") as file:
        return len(file.read())


def counting(x):
    for i in range(3):
        yield i * x


def generator_twice(x):
    counted = counting(x)
    of_each = map(abs, counted)
    return next(of_each) + next(counted)


def generator(x):
    numbers = (i * x for i in range(3))
    return sum(numbers) + sum(numbers)


def changes_global(x):
    global TOTAL
    TOTAL += x
    return TOTAL


def imports(x):
    import numba as own_numba

    return own_numba.literally(x)


def match_pattern(x):
    match x:
        case float():
            return 1.0
    return 2.0


def unpacked(x):
    first, other = (x, x, x)
    return first + other


def deleted(x):
    values = [1, 2]
    del values[0]
    return values[0]


def function_arguments(x):
    return math.sin(x, x)


def forgets(x):
    global TOTAL
    del TOTAL
    return x


# mistake, kernel, what is marked, words of the reason, words of the advice
def interrupted(x):
    if x > 1:
        raise KeyboardInterrupt
    return x


def returns_empty(x):
    return []


def unlike_dict(x):
    return len({1: 2, "b": 3}) + x


def unlike_loop(x):
    count = 0
    for _ in (1, "a", x):
        count += 1
    return count


def unlike_sorted(x):
    return len(sorted([x, "a"]))


def unlike_item(x):
    return (1, "a", x)[int(x)]


def class_attribute(x):
    return float.fromhex("1") + x


def several_kinds(x):
    return str(x or 0)


def set_in_order(x):
    return [v for v in {x, 1.0}]


def counts_bools(x):
    return np.isnan(x) + np.isinf(x)


def inverted_comparison(x):
    return ~(x > 1)


def decided_later(x):
    value = total = 1
    for _ in range(2):
        if isinstance(value, float):
            total += 1
        part = total if x > 1 else 2
        if isinstance(part, float):
            value = x
    return total


def type_as_value(x):
    return type(x) == float  # noqa: E721


def identical(x):
    return x is x + 1


def inner_recursion(x):
    def product(n):
        return 1.0 if n < 2 else n * product(n - 1)

    return product(x)


def numpy_string(x):
    return NAMES[0] == str(x)


def shown_member(x):
    return f"{Level.LOW}"


def changed_item(x):
    items = [1, 2]
    items[0] = x
    return items[0]


TEXT = "größe"


def of_no_row(x):
    return x + dfv.random.uniform(7)


def counts_by_pop(x):
    counts = {}
    for digit in str(x):
        counts[digit] = counts.pop(digit) + 1
    return len(counts)


def replaces_constant(x):
    items = ["a", "b"]
    items[0] = TEXT
    return items[0]


def too_few_fields(x):
    return Pair(x).low


def sets_field(x):
    pair = Pair(x, "a")
    pair.low = 1.0
    return pair.low


def unknown_field(x):
    return Pair(x, "a").middle


def loop_over_fields(x):
    total = 0.0
    for item in Pair(x, "a"):
        total += item
    return total


def append_other(x):
    values = [x]
    values.append("a")
    return values


def called_number(x):
    return x(1)


def escaping(x):
    return lambda: x


def dict_of_lists(x):
    return len({1: [x]})


def raises_number(x):
    raise x


def endless(x):
    return endless(x - 1.0)


def calls_endless(x):
    return endless(x)


def unknown_table(x):
    return str(x).translate(str.maketrans("1", str(x)))


def operator_of_text(x):
    return -str(x)


def hash_of_text(x):
    return hash((str(x), 1))


def hash_of_bytes(x):
    return x + hash(b"a")


CASES = [
    ("the hash of text", hash_of_text, "hash((str(x), 1))", "another number in each process", "hashlib.md5"),
    ("the hash of text", hash_of_bytes, 'hash(b"a")', "another number in each process", "zlib.crc32"),
    (
        "fields of a named tuple",
        too_few_fields,
        "Pair(x)",
        "missing a required argument: 'high'",
        "one value",
    ),
    ("a field that is set", sets_field, "pair.low = 1.0", "`low` of `Pair` can't be set", "_replace(low=…)"),
    ("an attribute that isn't known", unknown_field, 'Pair(x, "a").middle', "`middle` of `Pair`", "fields"),
    ("a loop over something else", loop_over_fields, "", "can't go over `Pair`", "loop over a range"),
    ("arguments of a method", append_other, 'values.append("a")', "of list of (float64)", "of one type"),
    ("a call of what is no function", called_number, "", "float64 can't be called with (1)", "functions"),
    ("a function that escapes", escaping, "", "gives values only", "call it where it is made"),
    ("what a dict can't hold", dict_of_lists, "", "list of (float64) can't be a value", "a list of its own"),
    ("a type that stays open", calls_endless, "", "can't be found", "a path of its own"),
    ("a table of translate", unknown_table, "str(x).translate", "must be known", "outside"),
    ("no error", raises_number, "raise x", "derive from `Exception`", "raise ValueError"),
    ("wrong arguments of a function", operator_of_text, "", "`-` isn't known in compiled code", "convert"),
    (
        "other text in a list of constants",
        replaces_constant,
        "items[0] = TEXT",
        "holds ASCII text",
        "a new list",
    ),
    (
        "a random number of no row",
        of_no_row,
        "dfv.random.uniform(7)",
        "its row's number",
        "`row=pl.int_range(",
    ),
    ("a dict that only grows", counts_by_pop, "counts.pop(digit)", "an empty dict", "`counts.get(key, 0)`"),
    ("an item that would be changed", changed_item, "items[0] = x", "here int64: float64", "one type"),
    ("a string of another kind", numpy_string, "NAMES[0] == str(x)", "outside of compiled code", "tuple of"),
    ("a member shown as text", shown_member, "Level.LOW", "`Level.LOW` is a string", "`.value`"),
    ("unknown name", unknown_name, "prcie", "name `prcie` is not defined", "did you mean `price`"),
    ("a kernel that calls itself", calls_itself, "calls_itself(x - 1)", "can't call itself", "as a loop"),
    ("a function of a library", library_function, "mean(x)", "is a library's", "of your own"),
    (
        "a plugin that is no row kernel",
        other_plugin,
        "neighbour_plugin(x)",
        "more than a row",
        "one after the other",
    ),
    (
        "division of decimals",
        divided_decimal,
        "RATE / 2",
        "`/` of decimals isn't exact",
        "float(a) / float(b)",
    ),
    ("an array that can't be written", written_array, "WEIGHTS[0] = x", "read-only", "a.copy()"),
    ("Decimal", decimal, 'Decimal("1.5")', "can't make a `Decimal`", "as a global or a default"),
    ("a class", class_, "Money(x)", "`Money` is a class", "NamedTuple"),
    ("a built-in that Numba lacks", builtin, 'eval("x + 1")', "built-in `eval`", "can't be in a kernel"),
    ("what is no table", no_table, "RATES", "of type list", "let all be"),
    ("what is no table", counts, "tally", "it is a `Counter`", "make it a dict"),
    ("a table that would be changed", changes, "LIMITS[0] = x", "a row can't change it", "a scan"),
    ("a method of tables", table_method, "LIMITS.append", "no `append`", "in the kernel"),
    ("a table that can't be gone over", unlike_keys, "for key in WEIGHED:", "unlike types", "a tuple"),
    ("a global object", global_object, "logger", "class logging.Logger", "as a constant"),
    ("a data frame library", pandas_function, "pd.to_numeric", "works on whole columns", "`x: float | None`"),
    ("what is missing of several values", pandas_of_several, "", "not tuple of", "each of the values"),
    ("dates by module", datetime_module, "datetime.datetime_CAPI", "`datetime`", "annotate the parameter"),
    ("the time of the machine", current_time, "datetime.datetime.now", "the machine's clock", "a constant"),
    ("the time of the machine", current_day, "date.today", "`date.today` depends", "a constant"),
    (
        "what a class of dates can't do",
        date_function,
        "date.mro",
        "no `mro` of `datetime.date`",
        "`strptime`",
    ),
    (
        "what dates can't do",
        date_method,
        "datetime.date(2024, 1, 1).ctime",
        "a `date` has no `ctime`",
        "`strftime(…)`",
    ),
    ("dates by name", date_name, "date(x, 1, 1)", "takes whole numbers", "smaller one"),
    ("a function of re", regular_expression, "re.purge", "`re.purge` isn't supported", "`search`, `match`"),
    (
        "no pattern",
        no_pattern,
        're.search("(", str(x))',
        "isn't a regular expression: missing ), unterminated",
        "correct it",
    ),
    (
        "a pattern that can't be compiled",
        back_reference,
        r're.search(r"(a)\1", str(x))',
        "a back-reference",
        "compare them in the kernel",
    ),
    (
        "a pattern that isn't known",
        pattern_at_run_time,
        're.search(str(x), "a")',
        "the pattern of `re.search` must be known",
        "as a constant",
    ),
    (
        "a replacement by a function",
        replaced_by_function,
        're.sub("a", lambda m: m[0], str(x))',
        "no function for each match",
        "re.finditer",
    ),
    ("no template", no_template, r're.sub("a", r"\1", str(x))', "invalid group reference 1", "`\\g<name>`"),
    ("a group that isn't there", no_such_group, "", "has no group 2", "the groups 0 to 1"),
    ("a group that isn't known", group_at_run_time, "", "which group of a match", '`m["name"]`'),
    ("a pattern of another kind of text", text_and_bytes, "", "a pattern of bytes", '`rb"…"` for bytes'),
    ("a method of patterns or matches", match_method, "m.lastindex", "`lastindex` of a match", "`group`"),
    ("random numbers", random_module, "random.choice", "random.choice", "seeded generator"),
    (
        "a function that a known module lacks in Numba",
        math_function,
        "math.ulp",
        "`math.ulp` isn't known in compiled code",
        "arithmetic",
    ),
    (
        "an attribute that a module doesn't have",
        module_attribute,
        "np.absolut",
        "has no `absolut`",
        "did you mean `absolute`",
    ),
    ("another module", other_module, "glob.escape", "module `glob`", 'fallback="python"'),
    ("a value of JSON", value_of_json, "", "may be of any type", "say what it is"),
    (
        "writing JSON",
        written_as_json,
        "return json.dumps(x, indent=1)",
        "`indent=` isn't known",
        "name options",
    ),
    (
        "an unsupported NumPy function",
        numpy_function,
        "np.vectorize",
        "numpy.vectorize",
        "dfv.column",
    ),
    ("a method of columns", column_method, "x.mean", "sees one row: `mean`", "pl.col(…).mean()"),
    ("nulls by method", null_method, "x.fillna", "a null arrives as None", "`x is None`"),
    ("a method that is a function", function_method, "x.round", "not a column", "`round(x, 2)`"),
    ("parts of dates", date_part, "x.year", "dates as integers", "annotate the parameter"),
    ("an attribute of a number", number_attribute, "x.upper", "float64 is a number", "bind a column"),
    ("a number as a sequence", index, "x[0]", "nothing to index", "shift(1)"),
    ("functions of sequences", length, "len(x)", "`len` takes a sequence", "pl.col(…).sum()"),
    ("a loop over a number", loop, "for value in x:", "nothing to loop over", "leave the loop out"),
    ("results of two types", two_results, "", "different types: ", "on every path"),
    ("a variable of two types", two_types, "label = 1", "'low' on one path and 1", "two variables"),
    ("an empty list or dict", empty_list, "seen = []", "`seen` is empty", "begin with a value"),
    ("text and numbers", text_and_number, 'x < "1"', "strings and numbers", "values of one kind"),
    ("bits of floats", bits, "(x > 1) & x", "work on integers and bools, got bool, float64", "`and`"),
    (
        "arithmetic with a tuple or list",
        tuple_arithmetic,
        "(x, x) / 2",
        "tuple of 2 float64",
        "each item",
    ),
    ("a number that is too large", large, "123456789012345678901234567890", "64 bits", "as a float"),
    (
        "arguments that don't fit",
        arguments,
        "added(x)",
        r"`(a, b)`: missing a required argument: 'b'",
        "each",
    ),
    ("a call that doesn't fit", arguments_within, "return inner(x, 2)", "too many positional", "by its name"),
    ("stars within a kernel", stars_within, "", "no `*` and `**`", "one by one"),
    ("starred list", starred, "*both", "takes a tuple", "a tuple instead of the list"),
    ("keywords from a dict", keywords, "added(**options)", "`**` in a call", "one by one"),
    ("print with options", printed, 'print(x, end="")', "`print` takes no", "leave them out"),
    ("exceptions by class", caught_unknown, "try:", "must be known while", "`ERRORS = "),
    ("exceptions in an inner function", caught_within, "", "a function within the kernel", "move the"),
    ("no error", interrupted, "raise KeyboardInterrupt", "derive from `Exception`", "`raise ValueError(…)`"),
    ("an empty list that is nothing but empty", returns_empty, "[]", "has no type", "`[0][:0]`"),
    ("a dict of unlike items", unlike_dict, "", "keys of a dict are of one type", "`if` and `elif`"),
    (
        "unlike items one after the other",
        unlike_loop,
        "",
        "(1, 'a', float64) differ in type",
        "unroll the loop",
    ),
    ("unlike items in order", unlike_sorted, 'sorted([x, "a"])', "differ in type", "as `float(x)`"),
    ("an item of a tuple by number", unlike_item, "", "(1, 'a', float64) differ in type", "pair[0]"),
    ("an attribute of a class", class_attribute, "float.fromhex", "of a class", "methods on values"),
    ("a number of several kinds", several_kinds, "", "`int` or `float` by the way", "`float(n)`"),
    ("the order of a set", set_in_order, "", "here float64", "sorted(items)"),
    ("identity", identical, "", "one object in memory", "with `==`"),
    ("what is computed of NumPy's bools", counts_bools, "", "are bools, not numbers", "int(np.isnan(x))"),
    ("`~` of a bool", inverted_comparison, "", "`~` of a bool", "`not (…)`"),
    ("an `isinstance` that a later one decides", decided_later, "", "comes after it", "of its own"),
    ("types as values", type_as_value, "", "a type isn't a value", "isinstance(x, int)"),
    ("a function within that calls itself", inner_recursion, "", "can't call itself", "top of the file"),
    ("the exception as a value", caught_value, "", "of a caught exception", "`e.args[0]`"),
    (
        "a template",
        template,
        '"{}{0}".format(x)',
        "numbers some of its places",
        "f-string with constant formats",
    ),
    ("formats with %", percent, 'f"{x} %s" % x', "what `%` formats by", 'as `f"{x:.2f}"`'),
    ("methods of strings", string_method, 'f"{x}".format_map', "strings have no `format_map`", "pl.format"),
    ("with", with_, 'with open("rates.csv") as file:', "`with` opens", "read files before"),
    (
        "a generator that is handed on and read as well",
        generator_twice,
        "of_each = map(abs, counted)",
        "goes on by itself there",
        "make a list of what it yields",
    ),
    ("generator expressions", generator, "(i * x for i in range(3))", "only as an argument", "write a list"),
    ("global variables that change", changes_global, "TOTAL += x", "global variable", "`@dfv.reduce`"),
    (
        "a class or import inside",
        imports,
        "import numba as own_numba",
        "of the standard library",
        "top of the file",
    ),
    ("patterns of match", match_pattern, "match x:", "plain values and sequences", "`if` and `elif`"),
    ("unpacking", unpacked, "first, other = (x, x, x)", "names on the left", "as many names"),
    ("deleted names and items", deleted, "del values[0]", "`del`", "leave it out"),
    ("wrong arguments of a function", function_arguments, "math.sin(x, x)", "(float64, float64)", "number"),
    ("another construct", forgets, "", "can't do this", "simpler statements"),
]


#: What only Numba says.
NUMBA = re.compile(
    r"Unknown attribute|Invalid use|No conversion|No implementation|Resolution|by Numba|nopython|Literal|"
    r"\b(?:unicode_type|impl_\w+|ol_\w+|reflected|omitted|bytecode|Cannot|Untyped|CPUDispatcher)\b|<class|Tuple\("
)

#: What Numba says at times, of no kernel that is known.
SAID = [
    (
        "the text of an exception",
        "TypingError: No implementation of function Function(<class 'str'>) for (caught exception)",
        'what a caught exception says isn\'t known with `math="libm"`',
    ),
    (
        "a value of another type",
        "TypingError: No conversion from UniTuple(unicode_type x 12) to list(int64)<iv=None> for '$24.3'",
        "a value is tuple of 12 str where list of (int64) is wanted",
    ),
    (
        "an item that is set",
        "TypingError: Cannot resolve setitem: UniTuple(int64 x 2)[Literal[int](0)] = int64",
        "items of tuple of 2 int64 can't be set or deleted so",
    ),
]


def message_of(kernel):
    plugin = define(kernel, name=None, form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
    with pytest.raises(dfv.KernelCompileError) as caught:
        dfv.apply(pl.DataFrame({plugin.parameters[0].name: [1.0, 2.0]}), plugin, keep=False)
    return caught.value


@pytest.mark.parametrize(
    ("mistake", "kernel", "marked", "reason", "advice"), CASES, ids=[case[1].__name__ for case in CASES]
)
def test_mistakes_are_explained(mistake, kernel, marked, reason, advice):
    if sys.version_info < (3, 11) and kernel in (caught_value, caught_unknown):
        pytest.skip("only `except Exception` compiles before")
    error = message_of(kernel)
    head, place, *marks = str(error).splitlines()
    column = kernel.__code__.co_varnames[0]
    assert head == f"plugin `{kernel.__name__}` can't be compiled for the columns ({column}: Float64)"
    assert re.fullmatch(rf'  File "{re.escape(__file__)}", line \d+, in {kernel.__name__}', place)
    if marked:
        source, mark = marks[:2]
        start, stop = mark.index("^"), mark.rindex("^") + 1
        assert source[start:stop] == marked
        number = int(source.split("|")[0])
        assert f"line {number}," in place
        assert number in range(kernel.__code__.co_firstlineno, kernel.__code__.co_firstlineno + 8)
    assert any(line.startswith("  reason: ") and reason in line for line in marks)
    assert any(line.startswith("  try: ") and advice in line for line in marks)
    assert len(str(error).splitlines()) <= 7
    assert NUMBA.search(f"{error.reason} {error.hint}") is None


@pytest.mark.parametrize(("mistake", "message", "reason"), SAID)
def test_messages_are_put_in_other_words(mistake, message, reason):
    found = recognise(message, Source(added.py_func), None, added.py_func)
    assert (found.name, found.reason) == (mistake, reason)


def test_each_mistake_of_the_table_is_tested():
    assert {case[0] for case in [*CASES, *SAID]} == {mistake.name for mistake in MISTAKES}
    assert len(MISTAKES) >= 30


def test_numba_s_own_words_are_kept_but_not_shown():
    error = message_of(column_method)
    assert "Unknown attribute 'mean' of type float64" in error.numba_message
    assert "During: typing of get attribute" in error.numba_message
    assert error.__cause__ is None
    assert error.__suppress_context__
    for internal in ("nopython", "numba/", "During", "<source elided>", "site-packages", "\x1b"):
        assert internal not in str(error)


def test_numba_s_own_words_are_logged(caplog):
    with caplog.at_level(logging.DEBUG, logger="dataflare_vec"):
        message_of(column_method)
    assert "Unknown attribute 'mean' of type float64" in caplog.text


def test_types_of_parameters_and_locals_are_shown():
    def mixed(x, limit=2):
        half = x / 2
        note = "high"
        return half.note(limit, note)

    lines = str(message_of(mixed)).splitlines()
    assert "  where limit is int64, half is float64, note is 'high'" in lines


def test_neighbouring_lines_are_left_out():
    def long(x):
        secret = 1.0
        return x.nothing + secret

    assert "secret = 1.0" not in str(message_of(long))


def test_a_helper_that_fails_is_named():
    def calls_helper(x):
        return inner(x) + 1

    lines = str(message_of(calls_helper)).splitlines()
    assert lines[1].endswith(", in inner")
    assert "return value.mean()" in lines[2]
    assert "sees one row" in lines[-2]


def test_without_source_there_is_no_mark():
    namespace: dict = {}
    exec("def unseen(x):\n    return x.mean()\n", namespace)
    error = message_of(namespace["unseen"])
    assert 'File "<string>", line 2, in unseen' in str(error)
    assert "sees one row" in str(error)


def test_a_lambda_with_characters_of_several_bytes():
    plugin = define(
        lambda größe: größe + größe.mean(), name="λ", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER
    )
    with pytest.raises(dfv.KernelCompileError) as caught:
        dfv.apply(pl.DataFrame({"größe": [1.0]}), plugin)
    source, mark = str(caught.value).splitlines()[2:4]
    assert source[mark.index("^") : mark.rindex("^") + 1] == "größe.mean"
