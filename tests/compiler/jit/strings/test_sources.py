"""Where a string comes from, against what is done with it: equal ones are equal, whatever made them."""

from __future__ import annotations

from typing import NamedTuple

import named
import numba
import numpy as np
import polars as pl
import pytest
from named import CUR, Config, Status

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from testing import oracle

WORDS = ["DE", "FR", "é€", "", "D", "DE ", "EUR DE", "é", "a name of more than twelve bytes", "é€" * 9, "2"]
FRAME = pl.DataFrame(
    {
        "s": WORDS * 2,
        "t": WORDS + WORDS[3:] + WORDS[:3],
        "n": [2, 0, 3, -1, 5, 7, 2, 2, 1, 4, 12] * 2,
        "category": pl.Series(WORDS * 2, dtype=pl.Categorical),
        "enum": pl.Series(["DE", "FR"] * 11, dtype=pl.Enum(["FR", "DE", "é€"])),
        "items": [[word, "é€"] for word in WORDS * 2],
        "b": [word.encode() for word in WORDS * 2],
    },
    strict=False,
)
ASCII = FRAME.filter(pl.all_horizontal(pl.col("s", "t").str.contains(r"^[ -~]*$")))


def row_kernel(function, **about):
    about.setdefault("plugin_type", dfv.PluginType.TRANSFORMER)
    return define(function, name="kernel", form=Form.ROW, **about)


def check(function, frame=FRAME, **constants):
    """Compare the compiled kernel with its function, row by row, in ASCII and in all of the frame."""
    kernel = row_kernel(function)
    for rows in (ASCII if frame is FRAME else frame.head(0), frame):
        oracle.check(kernel, rows, **constants)


# -- what is done with two strings or bytes, written twice: as a helper, and in place ------------------------

COMPARED = [
    "{s} == {x}",
    "{x} != {s}",
    "{s} < {x}",
    "{x} >= {s}",
    "{s} in ({x}, {other})",
    "{s} in [{other}, {x}]",
    "[{x}].count({s}) == 1",
    "({s}, 1) == ({x}, 1)",
    "max({s}, {x}) == {x}",
    "{s}.startswith({x})",
    "{s}.endswith({x})",
    "{s}.find({x}) > 0",
    "{x} in {s}",
    "{s}.count({x}) == 1",
    "{s} + {x} == {x} + {s}",
    "len({x}) == len({s})",
    "not {x}",
]
KEYED = [
    "{{{x}: 1.5, {other}: 2.5}}.get({s}, 0.0) == 1.5",
    "{s} in {{{x}, {t}}}",
    "({s}, 1) in {{({x}, 1): 2.5}}",
]


def mask(uses, other, **names):
    """The uses as one expression: a bit for each."""
    terms = [f"(({use.format(other=other, **names)}) << {i})" for i, use in enumerate(uses)]
    return " + ".join(terms)


def defined(source, name="kernel", **scope):
    scope = {**vars(named), **globals(), **scope}
    exec(source, scope)
    return scope[name]


def helper(uses, other):
    """A function of two strings that isn't inlined, as it has a loop: it is compiled once for all sources."""
    lines = f"    for i in range(1):\n        found += {mask(uses, other, s='s', x='x', t='t')}\n"
    return defined(f"def helper(s, x, t):\n    found = 0\n{lines}    return found", "helper")


uses, uses_bytes = helper(COMPARED, "'FR'"), helper(COMPARED, "b'FR'")
keyed, keyed_bytes = helper(KEYED, "'FR'"), helper(KEYED[:2], "b'FR'")


def shown(s, x):
    return f"{s}|{x}|{x:>4}" + "-".join([x, s]) + x.lower()


def helped(s, t, x="DE"):
    return uses(s, x, t)


def named_only(s, t, *, x="é€", y=named.Color.RED.value):
    return uses(s, x, t), s == y


def with_member(s, x=Status.PAID, many=(Status.OPEN, "FR")):
    return (s == x) + 2 * (s in many) + 4 * (x in many)


@numba.njit
def compiled_helper(s, t, x=named.CODE):
    return (s == x) + 2 * (x.startswith(s)) + 4 * (t in (x, "é€"))


SOURCES = {
    "literal": '"DE"',
    "non-ASCII literal": '"é€"',
    "module": "named.CUR",
    "module, non-ASCII": "named.MARK",
    "module, long": "named.LONG",
    "module's module": "named.inner.CUR",
    "and its": "named.inner.deeper.MARK",
    "import": "CUR",
    "subclass": "CODE",
    "module's subclass": "named.CODE",
    "value of a member": "Color.RED.value",
    "value of a module's member": "named.Color.BLUE.value",
    "name of a member": "Color.RED.name",
    "class": "Config.CUR",
    "class's class": "named.Config.Nested.MARK",
    "inherited": "named.Special.CUR",
    "item of a tuple": "named.WORDS[1]",
    "item of a class's": "Config.WORDS[0]",
    "field": "RECORD.cur",
    "item of a field": "named.RECORD.words[0]",
    "dataclass": "DATA.cur",
    "slots": "named.SLOTTED.cur",
    "namespace": "named.SPACE.data.cur",
    "list": "[named.CUR, named.MARK][n & 1]",
    "value of a dict": "{1: named.CUR, 0: named.MARK}[n & 1]",
    "constant of the call": "cur",
    "column": "t",
    "category": "category",
    "enum": "enum",
    "item of a column": "items[0]",
    "method": "(t + t).strip().upper()",
    "part": "t[:2]",
    "piece": '(t + ",DE").split(",")[1]',
    "number": "str(n)",
    "f-string": 'f"{t}"',
    "character": "chr(n + 60)",
    "bytes": "b.decode()",
}
MEMBERS = ["Status.PAID", "Status.OPEN", "named.Status.PAID", "RECORD.status"]


def test_sources_of_strings():
    columns = "s, t, n, category, enum, items, b"
    sources = [source for source in SOURCES.values() if source != "cur"]
    results = "\n    ".join(f"r{i} = uses(s, {source}, t)" for i, source in enumerate([*sources, "cur"]))
    returned = ", ".join(f"r{i}" for i in range(len(sources) + 1))
    source = f"def kernel({columns}, cur='é€'):\n    {results}\n    return {returned}"
    kernel = defined(source)
    check(kernel)
    check(kernel, cur="DE")


def test_members_of_a_string_enumeration():
    """They are equal to strings, and hash alike."""
    returned = ", ".join(f"uses(s, {member}, t), keyed(s, {member}, t)" for member in MEMBERS)
    check(defined(f"def kernel(s, t, cur=Status.OPEN): return {returned}, uses(s, cur, t), with_member(s)"))


def test_defaults_of_helpers():
    def kernel(s, t):
        first, second = named_only(s, t), named_only(s, t, x="DE")
        return helped(s, t), first[0], first[1], second[0], compiled_helper(s, t), keyed(s, named.CUR, t)

    check(kernel)


def test_in_place():
    """As constants that the compiler sees, instead of what a helper gets."""
    returned = ", ".join(mask(COMPARED, "'FR'", s="s", x=x, t="t") for x in ("named.CUR", "Status.OPEN"))
    check(
        defined(
            f"def kernel(s, t):\n    return {returned}, {mask(KEYED, 'named.MARK', s='s', x='CUR', t='t')}"
        )
    )


def test_shown():
    sources = ["named.CUR", "named.MARK", "Config.CUR", "RECORD.words[0]", "CODE", "Color.RED.value"]
    check(defined(f"def kernel(s): return {', '.join(f'shown(s, {source})' for source in sources)}"))


def test_bytes():
    sources = [
        *("b'DE'", "named.RAW", "named.inner.deeper.RAW", "named.Raw.PAID.value", "Config.RAW", "DATA.raw"),
        *("named.RAWS[0]", "raw", "t.encode()", "b[:2]", "[named.RAW, b'\\xff'][len(t) & 1]"),
    ]
    returned = ", ".join(f"uses_bytes(b, {source}, t.encode())" for source in sources)
    check(defined(f"def kernel(b, t, raw=b'FR'): return {returned}, keyed_bytes(b, raw, t.encode())"))


class Row(NamedTuple):
    cur: str
    n: int


def test_fields_of_a_column():
    def kernel(row: Row, s):
        return row.cur == s, row.cur == named.CUR, {row.cur: row.n}.get(s, 0), row.cur in (s, named.MARK)

    rows = [Row(word, 7) for word in WORDS[1:] + WORDS[:1]]
    frame = pl.DataFrame({"row": [row._asdict() for row in rows], "s": WORDS})
    oracle.check(row_kernel(kernel), frame, rows=zip(rows, WORDS, strict=True))


def test_match():
    def kernel(s):
        match s:
            case named.CUR:
                return 1
            case named.Status.OPEN:
                return 2
            case named.Color.GREEN.value | named.LONG | "D":
                return 3
        return 0

    check(kernel)


def test_collections_of_a_module():
    def kernel(s, t, n):
        size = 0
        for word in named.WORDS:
            size += len(word)
        pairs = (s, n) in named.PAIRS, (s, 1) in {("DE", 1), ("é€", 2)}
        return s in named.WORDS, s in named.SOME, pairs[0], pairs[1], s.startswith(named.WORDS), size

    check(kernel)


def test_a_closure_s():
    def make(cur, member, config):
        def kernel(s, t):
            first = s == member, s == member.value, s == config.CUR, s in (cur, t)
            return uses(s, cur, t), first[0], first[1], first[2], first[3]

        return kernel

    check(make("é€", named.Status.OPEN, named.Config))


def test_values_of_a_class():
    """Numbers too, which Numba doesn't know of a class; methods aren't values."""

    def kernel(n):
        return (
            Config.RATE * n,
            named.Special.RATE * named.DATA.rate,
            named.Level.HIGH + n,
            named.SPACE.data.rate,
        )

    check(kernel)


# -- dicts and sets, as they are filled ---------------------------------------------------------------------


def test_dicts():
    def kernel(s, t):
        counts = {}
        counts["DE"] = 1  # of ASCII, other keys aren't
        for key in [s, t, named.MARK, s]:
            counts[key] = counts.get(key, 0) + 1
        text = ""
        for key in counts:
            text += f"{key}:{len(key)}:{counts[key]},"
        return text, counts.pop(t), len(counts), t in counts

    check(kernel)


def test_dicts_of_pairs():
    def kernel(s, t):
        pairs = {("DE", t): "x"}
        pairs[(s, "é€")] = s
        return pairs.get((t, "é€"), "none"), pairs.get(("DE", named.MARK), t), ("DE", s) in pairs, len(pairs)

    check(kernel)


def test_sets():
    def kernel(s, t):
        seen = set()
        seen.add("DE")
        seen.add(s)
        both = seen & {t, "é€"}
        seen.discard("DE")
        size = len(seen)
        for character in t:
            seen.add(character)
        return "".join(sorted(seen)), size, len(both), s in seen, "é" in seen

    check(kernel)


def test_a_key_that_isn_t_there():
    def kernel(s, n):
        return {"DE": 1, "FR": n}[s] + {("é€", 1): 2, (s, n): 3}[("é€", 1)]

    check(kernel)
    result = dfv.run(FRAME, row_kernel(kernel), on_error="null")
    assert result.errors["message"][0] == "'é€'"


def test_many_keys():
    """Beyond what a dict begins with, and the memory comes back."""

    def kernel(s, n):
        found = {}
        for i in range(200):
            found[s + str(i)] = i
        return found[s + "150"] + found.get("é" + str(n), -1), len(found)

    check(kernel)


# -- other loops --------------------------------------------------------------------------------------------


def test_loops_of_other_kinds():
    paid = ["DE", "é€", "FR", None, "DE"]
    frame = pl.DataFrame({"s": paid, "n": [1, 0, 1, 1, 1]})

    def kernel(s, n):
        if n == 0:
            raise ValueError(s)
        return s == named.CUR, {named.CUR: "x"}.get(s, named.MARK)

    result = dfv.run(frame, row_kernel(kernel), keep=False, on_error="null")
    assert result.frame.rows() == [
        *((True, "x"), (None, None), (False, "é€")),
        *((None, None), (True, "x")),
    ]

    def count(count, s):
        return count + (s == named.Status.PAID), s != named.CUR

    def total(total, s):
        return total + (s == Config.CUR)

    keep = row_kernel(lambda s: s in named.WORDS, plugin_type=dfv.PluginType.FILTER)
    assert dfv.run(frame, keep).frame["s"].to_list() == ["DE", "é€", "DE"]
    scan = dfv.scan(init=0, name="counted", replace=True)(count)
    assert dfv.apply(frame, scan, output="o")["o"].to_list() == [False, True, True, None, False]
    reduce = dfv.reduce(init=0, merge=lambda a, b: a + b, name="totalled", replace=True)(total)
    assert dfv.apply(frame, reduce, output="o")["o"].to_list() == [2]
    plugin = row_kernel(lambda s: f"{s}!" if s == named.CUR else named.MARK)
    assert frame.select(dfv.expr(plugin, "s")).to_series().to_list() == ["DE!", "é€", "é€", None, "DE!"]


# -- what isn't known is refused ---------------------------------------------------------------------------

NUMPY = np.array(["DE", "é€"])


class Loud(str):
    """A string that isn't equal as strings are."""

    __slots__ = ()

    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


LOUD = Loud("DE")


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (lambda s: s == NUMPY[0], "strings from outside of compiled code"),
        (lambda s: s == LOUD, "strings from outside of compiled code"),
        (lambda s, x=LOUD: s == x, r"constant `x` must be a number .* a string"),
        (lambda s: [Status.PAID, s][0] == s and f"{s}" == s, r"`Status\.PAID` is a string that `str` shows"),
        (lambda s: shown(s, Status.PAID), r"`Status\.PAID` is a string that `str` shows"),
        (lambda s, x=Status.PAID: f"{x}{s}", r"`Status\.PAID` is a string that `str` shows"),
    ],
)
def test_refused(kernel, message):
    with pytest.raises((dfv.KernelCompileError, dfv.BindingError), match=message):
        dfv.apply(FRAME, row_kernel(kernel))


def test_a_member_that_is_only_compared_may_stand_beside_text():
    def kernel(s):
        member = Status.PAID
        if s == member or s in (Status.OPEN, "D"):
            return f"{s}!"
        return member + s

    check(kernel)


def test_a_constant_s_class_is_seen():
    """A kernel that is compiled for strings isn't taken for a member, which is shown otherwise."""
    plugin = row_kernel(lambda s, x="DE": f"{x}{s}")
    assert dfv.apply(FRAME[:2], plugin, output="o", x=CUR)["o"].to_list() == ["DEDE", "DEFR"]
    with pytest.raises(dfv.KernelCompileError, match=r"`Status\.PAID` is a string that `str` shows"):
        dfv.apply(FRAME[:2], plugin, output="o", x=Status.PAID)
    assert dfv.apply(FRAME[:2], plugin, output="o", x=Status.PAID.value)["o"].to_list() == ["DEDE", "DEFR"]


@pytest.mark.parametrize("init", [{}, set(), []])
def test_a_state_says_what_its_containers_hold(init):
    with pytest.raises(dfv.PluginDefinitionError, match="nothing says what it holds; annotate it"):
        dfv.scan(init=init, name="kept")(lambda state, s: (state, s))
