"""String, binary and categorical columns as a user meets them."""

from __future__ import annotations

import ctypes
import gc
import math
import mmap
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import dataflare_vec as dfv
from dataflare_vec.arrow import string_builders
from dataflare_vec.compiler import kernel

NEWEST = pl.CompatLevel.newest()
ONE = dfv.BatchConfig(enable_parallel=False)


def buffers(series):
    return series.to_arrow(compat_level=NEWEST).buffers()


@pytest.fixture
def manager():
    with dfv.PluginManager() as manager:
        yield manager


def same(s: str):
    return s


def area(s: str):
    """The number before "sqft"."""
    end = s.find(" sqft")
    if end < 0:
        return None
    return int(s[s.rfind(" ", 0, end) + 1 : end].replace(",", ""))


HOMES = ["3 bds , 2 ba , 1,560 sqft", "lot", None, "2 ba , 12x sqft", "1 bds , 950 sqft", "é , 1,000 sqft"]


def test_ordinary_string_code(manager):
    frame = pl.DataFrame({"s": HOMES})
    manager.register_plugin(area)
    result = dfv.run(frame, "area", manager=manager, on_error="null")
    assert result.frame["area"].to_list() == [1560, None, None, None, 950, 1000]
    assert result.errors.select("row", "error", "message").rows() == [
        (3, "ValueError", "invalid literal for int() with base 10: '12x'")
    ]
    with pytest.raises(dfv.RowError, match=r"row 3; the first with ValueError: invalid literal for int"):
        dfv.apply(frame, "area", manager=manager)


class Parts(NamedTuple):
    domain: str
    size: int
    tag: str | None


def split_mail(mail: str, tag="+"):
    at = mail.index("@")
    name = mail[:at]
    cut = name.find(tag)
    return Parts(mail[at + 1 :].lower(), len(name), name[cut + 1 :] if cut >= 0 else None)


def test_several_columns_of_strings_and_numbers(manager):
    mails = [
        "Jo+news@Example.ORG",
        "a@b",
        None,
        "nobody",
        "ärger@straße.de",
        "long.name+more@a.very.long.domain.example",
    ]
    manager.register_plugin(split_mail)
    got = dfv.apply(pl.DataFrame({"mail": mails}), "split_mail", manager=manager, on_error="null", keep=False)
    expected = [None if m is None or "@" not in m else split_mail(m) for m in mails]
    assert got.schema == {"domain": pl.String, "size": pl.Int64, "tag": pl.String}
    assert got.rows() == [(None, None, None) if e is None else tuple(e) for e in expected]
    got = dfv.apply(pl.DataFrame({"mail": mails[:2]}), "split_mail", tag="o", manager=manager, keep=False)
    assert got["tag"].to_list() == ["+news", None]


# -- memory -------------------------------------------------------------------------------------------------


def test_input_and_output_are_not_copied(manager):
    """The loop reads Polars' own buffers; those of a result of many rows are the pool's."""
    count = 8000
    series = pl.Series("s", ["short", "a string of more than twelve bytes", None] * count)
    before = [b and (b.address, b.to_pybytes()) for b in buffers(series)]
    manager.register_plugin(same)
    result = dfv.apply(series.to_frame(), "same", manager=manager)
    after = [b and (b.address, b.to_pybytes()) for b in buffers(result["s"])]
    assert before == after
    in_use = manager.get_memory_pool_stats().in_use_bytes
    own = buffers(result["same"])
    assert in_use >= sum(b.size for b in own if b)
    texts = b"".join(one.to_pybytes() for one in own[2:])
    assert texts == b"a string of more than twelve bytes" * count  # once, and without room behind
    addresses = {b.address for b in own if b}
    adopted = buffers(result["same"].alias("x"))
    assert {b.address for b in adopted if b} == addresses
    assert all(address % 64 == 0 for address in addresses)  # as the pool's are


def test_memory_comes_back_with_the_last_reader(manager):
    """Law 5."""
    manager.register_plugin(same)
    frame = pl.DataFrame({"s": ["a string of more than twelve bytes"] * 20_000})
    kept = dfv.apply(frame, "same", manager=manager)["same"][10:12]
    gc.collect()
    assert manager.get_memory_pool_stats().in_use_bytes > 0
    for _ in range(20):  # memory that were recycled too early would be overwritten by now
        dfv.apply(frame.with_columns(s=pl.lit("x" * 30)), "same", manager=manager)
    assert kept.to_list() == ["a string of more than twelve bytes"] * 2
    del kept
    gc.collect()
    assert manager.get_memory_pool_stats().in_use_bytes == 0


def test_a_limit_of_the_pool_is_an_error_not_a_crash():
    config = dfv.PluginManagerConfig(memory_pool_config=dfv.MemoryPoolConfig(max_bytes=2 << 20))
    frame = pl.DataFrame({"s": ["x" * 1000] * 4000})
    with dfv.PluginManager(config) as manager:
        manager.register_plugin(same)
        for batch in (ONE, dfv.BatchConfig(default_batch_size=64, parallelism=3)):
            with pytest.raises(dfv.PoolLimitError, match="max_bytes"):
                dfv.run(frame, "same", manager=manager, config=batch)
        gc.collect()
        assert manager.get_memory_pool_stats().in_use_bytes == 0
        gc.disable()  # and without its help: nothing that failed refers to itself
        try:
            for _ in range(20):
                with suppress(dfv.PoolLimitError):
                    dfv.run(frame, "same", manager=manager, config=batch)
                assert manager.get_memory_pool_stats().in_use_bytes == 0
        finally:
            gc.enable()
        assert dfv.apply(frame[:100], "same", manager=manager)["same"].equals(frame["s"][:100])


def test_many_data_buffers(manager, monkeypatch):
    """Buffers that are full stay where they are; strings longer than any buffer get their own."""
    monkeypatch.setattr(string_builders, "_SIZES", (256, 512))
    monkeypatch.setattr(string_builders, "_MOST_AT_FIRST", 256)
    manager.register_plugin(same)
    texts = ["x" * n for n in (13, 300, 5000, 12, 40)] * 4000  # few rows have memory of their own
    frame = pl.DataFrame({"s": texts})
    for config in (ONE, dfv.BatchConfig(default_batch_size=64, parallelism=3)):
        got = dfv.run(frame, "same", manager=manager, config=config).frame["same"]
        assert got.to_list() == texts
        assert len(buffers(got)) > 50


def test_a_failed_try_leaves_nothing_behind(manager):
    """A chunk that is not ASCII, or has a row that raises, is written twice: the second time in place."""

    def picky(s: str):
        if s == "bad":
            raise ValueError(s)
        return s

    manager.register_plugin(picky)
    texts = ["a string of more than twelve bytes"] * 999 + ["bad"]
    got = dfv.apply(pl.DataFrame({"s": texts}), "picky", manager=manager, on_error="null")["picky"]
    assert sum(b.size for b in buffers(got)[2:]) == 999 * 34
    texts[-1] = "é"
    got = dfv.apply(pl.DataFrame({"s": texts}), "picky", manager=manager)["picky"]
    assert sum(b.size for b in buffers(got)[2:]) == 999 * 34


class Guarded:
    """Memory whose end is the end of a page, with a page behind it that nobody may read."""

    def __init__(self, content: bytes) -> None:
        pages = -(-max(len(content), 1) // mmap.PAGESIZE)
        self.memory = mmap.mmap(-1, (pages + 2) * mmap.PAGESIZE)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        self.protect = libc.mprotect
        self.start = self.base + (pages + 1) * mmap.PAGESIZE - len(content)
        ctypes.memmove(self.start, content, len(content))
        self.guards = (self.base, self.base + (pages + 1) * mmap.PAGESIZE)
        for guard in self.guards:
            assert self.protect(guard, mmap.PAGESIZE, 0) == 0
        self.buffer = pa.foreign_buffer(self.start, len(content), self)

    def open(self) -> None:
        for guard in self.guards:
            assert self.protect(guard, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE) == 0


def views_of(texts, validity=None, garbage=b"\xff" * 16):
    """A string column whose views and each of whose strings end where memory ends."""
    views, data = b"", []
    for text in texts:
        if text is None:
            views += garbage
        elif len(text) <= 12:
            views += len(text).to_bytes(4, "little") + text.ljust(12, b"\0")
        else:
            views += len(text).to_bytes(4, "little") + text[:4] + len(data).to_bytes(4, "little") + bytes(4)
            data.append(Guarded(text))
    bitmap = np.packbits([t is not None for t in texts], bitorder="little").tobytes()
    guarded = [Guarded(views), *data]
    parts = [pa.py_buffer(bitmap) if None in texts else None, *(one.buffer for one in guarded)]
    array = pa.Array.from_buffers(pa.string_view(), len(texts), parts)
    return pl.Series("s", array), guarded


@pytest.mark.skipif(not hasattr(mmap, "PROT_READ"), reason="needs mprotect")
@pytest.mark.parametrize("wide", ["", "é"])
def test_no_byte_outside_of_a_string_is_read(manager, wide):
    """Strings of every length at the end of readable memory, through load, ASCII check, methods and copy."""

    def through(s: str, sep=","):
        cut = s.find(sep)
        if s == "nothing is like this" or s.endswith("zzz"):
            return "no"
        return s.upper() if cut >= 0 else s

    manager.register_plugin(through)
    manager.register_plugin(same)
    texts = [("abcdefghij,klmnop"[: n % 17] + wide + "q" * max(n - 17, 0)).encode() for n in range(70)]
    series, guarded = views_of(texts)
    for name in ("same", "through"):
        function = {"same": same, "through": through}[name]
        got = dfv.apply(series.to_frame(), name, manager=manager, keep=False)[name]
        assert got.to_list() == [function(text.decode()) for text in texts]
    for one in guarded:
        one.open()


def test_views_under_nulls_are_never_followed(manager):
    """Law 3: garbage under a null would be an address anywhere."""

    def told(s: str | None):
        return "there is none, that is said at length" if s is None else s

    def picky(s: str):
        if len(s) == 1:
            raise ValueError("too short")
        return s

    for function in (same, told, picky):
        manager.register_plugin(function)
    texts = [b"a", None, b"a string of more than twelve bytes", None, "é".encode()] * 40
    shown = [None if t is None else t.decode() for t in texts]
    for garbage in (b"\xff" * 16, b"\x20\0\0\0" + b"\x7f" * 12, b"\x05\0\0\0" + b"\xff" * 12):
        series, guarded = views_of(texts, garbage=garbage)
        frame = series.to_frame()
        for config in (ONE, dfv.BatchConfig(default_batch_size=64)):
            got = dfv.run(frame, "same", manager=manager, config=config, keep=False).frame["same"]
            assert got.to_list() == shown
            got = dfv.run(frame, "told", manager=manager, config=config, keep=False).frame["told"]
            assert got.to_list() == [told(t) for t in shown]
            result = dfv.run(frame, "picky", manager=manager, config=config, keep=False, on_error="null")
            assert result.frame["picky"].to_list() == [None if t is None or len(t) == 1 else t for t in shown]
            assert result.error_count == 80
            # What is written under a null is an empty string: Polars follows views under nulls.
            raw = np.frombuffer(buffers(got)[1], np.int64)
            assert result.frame["picky"].rechunk().sort().null_count() == 160
            del raw
        for one in guarded:
            one.open()


# -- categories ---------------------------------------------------------------------------------------------

WORDS = ["red", "green", None, "a colour of a long name", "rouge à lèvres", "red"]
OWN = pl.Categorical(pl.Categories("own", physical=pl.UInt8))
ENUM = pl.Enum(["red", "green", "a colour of a long name", "rouge à lèvres", "never there"])


@pytest.mark.parametrize(
    "dtype", [pl.Categorical, ENUM, pl.Categorical(pl.Categories("own", physical=pl.UInt8))], ids=str
)
@pytest.mark.parametrize("times", [1, 200])
def test_categories_are_strings(manager, dtype, times):
    def shout(s: str):
        return s.upper()

    def known(s: str | None):
        return "none" if s is None else s

    def longest(s: str, t):
        return s if len(s) > len(t) else t

    def reds(s: str):
        return s.startswith("r")

    for function in (shout, known, longest):
        manager.register_plugin(function)
    manager.register_plugin("reds", reds, plugin_type="filter")
    words = WORDS * times
    frame = pl.DataFrame({"s": pl.Series(words, dtype=dtype), "t": words[::-1]})
    for cut in (frame, frame[3:], pl.concat([frame[2:], frame[:2]], rechunk=False)):
        there = cut["s"].cast(pl.String).to_list()
        got = dfv.apply(cut, "shout", manager=manager)
        assert got["shout"].to_list() == [None if w is None else w.upper() for w in there]
        assert got["shout"].dtype == pl.String
        assert dfv.apply(cut, "known", manager=manager)["known"].to_list() == [known(w) for w in there]
        got = dfv.apply(cut, "longest", manager=manager)["longest"].to_list()
        pairs = zip(there, cut["t"], strict=True)
        assert got == [None if None in pair else longest(*pair) for pair in pairs]
        result = dfv.run(cut, "reds", manager=manager)
        red = [w for w in there if w is not None and w[0] == "r"]
        assert result.frame["s"].cast(pl.String).to_list() == red
        assert result.frame.height + result.filtered_count == cut.height
        got = dfv.apply(cut, ["reds", "shout"], manager=manager)["shout"].to_list()
        assert got == [w.upper() for w in red]


def test_a_category_is_computed_once_and_its_failures_count_by_row(manager):
    def strict(s: str):
        if s == "green":
            raise ValueError("not green")
        return len(s)

    manager.register_plugin(strict)
    frame = pl.DataFrame({"s": pl.Series(WORDS * 300, dtype=pl.Categorical)})
    result = dfv.run(frame, "strict", manager=manager, on_error="null")
    assert result.error_count == 300
    assert result.errors["row"].to_list() == [6 * i + 1 for i in range(300)]
    assert result.errors["message"].unique().to_list() == ["not green"]
    assert result.frame["strict"].to_list() == [
        len(w) if w not in (None, "green") else None for w in WORDS * 300
    ]
    # A category that isn't there doesn't fail.
    only = frame.filter(pl.col("s") != "green")
    assert dfv.apply(only, "strict", manager=manager)["strict"].null_count() == 0


def test_categories_as_codes(manager):
    def code(c: int):
        return c

    manager.register_plugin(code)
    for dtype in (pl.Categorical, ENUM):
        series = pl.Series("c", WORDS, dtype=dtype)
        got = dfv.apply(series.to_frame(), "code", manager=manager)["code"]
        assert got.to_list() == series.to_physical().to_list()


def test_all_null_and_empty_categories(manager):
    manager.register_plugin(same)
    for dtype in (pl.Categorical, ENUM):
        for values in ([], [None] * 20):
            frame = pl.DataFrame({"s": pl.Series(values, dtype=dtype)})
            assert dfv.apply(frame, "same", manager=manager)["same"].to_list() == values


# -- the rest of the library --------------------------------------------------------------------------------


def test_bytes(manager):
    def head(b: bytes, mark=b"\xff"):
        return b[:2] if b.startswith(mark) else b

    manager.register_plugin(head)
    values = [b"\xff\x00\x01", b"", None, b"\x00" * 20, bytes(range(200, 250))]
    got = dfv.apply(pl.DataFrame({"b": values}), "head", manager=manager)["head"]
    assert got.dtype == pl.Binary
    assert got.to_list() == [None if v is None else head(v) for v in values]


def test_lazy_expressions_records_and_other_kinds_of_data(manager):
    manager.register_plugin(same)
    frame = pl.DataFrame({"s": ["a", None, "é", "a string of more than twelve bytes"]})
    expected = frame.with_columns(same="s")
    lazy = frame.lazy().pipe(dfv.apply, "same", manager=manager)
    assert lazy.collect_schema()["same"] == pl.String
    assert lazy.collect().equals(expected)
    assert lazy.collect(engine="streaming").equals(expected)
    table = dfv.apply(frame.to_arrow(), "same", manager=manager)
    assert pl.from_arrow(table).equals(expected)
    encoded = pa.table({"s": pa.array(["x", "y", None, "x"]).dictionary_encode()})
    assert dfv.apply(encoded, "same", manager=manager)["same"].to_pylist() == ["x", "y", None, "x"]
    assert manager.process_record("same", {"s": None}).values == {"same": None}
    assert manager.process_record("same", {"s": "é"}).value == "é"
    assert manager.process_batch("same", []).frame.is_empty()
    assert manager.health_check().healthy


def test_columns_and_expressions_of_strings_are_as_before(manager):
    class Lengths:
        def process_batch(self, s):
            return np.array([len(item) for item in s], dtype=np.int64)

    manager.register_plugin("lengths", Lengths())
    manager.register_plugin(same)
    manager.register_plugin("loud", pl.col("same").str.to_uppercase() + "!")
    frame = pl.DataFrame({"s": ["ab", None, "éé and more than twelve bytes"]})
    got = dfv.apply(frame, ["same", "loud", "lengths"], manager=manager)
    assert got["loud"].to_list() == ["AB!", None, "ÉÉ AND MORE THAN TWELVE BYTES!"]
    assert got["lengths"].to_list() == [2, None, 29]


def test_explain_counts_the_bytes_of_strings(manager):
    manager.register_plugin(same)
    frame = pl.DataFrame({"s": ["short", "a string of more than twelve bytes"] * 10_000})
    explained = dfv.explain("same", frame, manager=manager)
    (stage,) = explained.stages
    assert stage.bytes_read == 16 + 34 / 2
    assert not stage.loop.vectorised
    assert "it reads or writes strings of varying length" in str(explained)
    assert "types: assumed" in str(dfv.explain("same", manager=manager))


def test_with_the_systems_mathematics(manager):
    def scaled(s: str, unit=" m"):
        return math.sin(len(s)) if s.endswith(unit) else -1.0

    manager.register_plugin("scaled", scaled, math="libm")
    texts = ["1 m", "2 km", "é m"]
    got = dfv.apply(pl.DataFrame({"s": texts}), "scaled", manager=manager)["scaled"]
    assert got.to_list() == [scaled(text) for text in texts]


# -- mistakes -----------------------------------------------------------------------------------------------


def test_results_that_are_no_column(manager):
    def parts(s: str):
        return {s: len(s)}

    manager.register_plugin(parts)
    with pytest.raises(dfv.KernelResultError, match="plugin `parts`: it returns a dict or set"):
        dfv.apply(pl.DataFrame({"s": ["a,b"]}), "parts", manager=manager)

    manager.register_plugin("text", same, returns=pl.Int64)
    message = "plugin `text`: it returns String, but `returns` declares Int64; convert in the kernel"
    with pytest.raises(dfv.KernelResultError, match=message):
        dfv.apply(pl.DataFrame({"s": ["a"]}), "text", manager=manager)

    manager.register_plugin("again", same, returns="s")
    frame = pl.DataFrame({"s": pl.Series(["a"], dtype=pl.Categorical)})
    assert dfv.apply(frame, "again", manager=manager)["again"].equals(frame["s"].alias("again"))
    assert dfv.apply(pl.DataFrame({"s": ["a"]}), "again", manager=manager)["again"].to_list() == ["a"]

    manager.register_plugin("objects", same, returns=pl.Object)
    with pytest.raises(dfv.KernelResultError, match="declares Object, which a kernel can't write"):
        dfv.apply(pl.DataFrame({"s": ["a"]}), "objects", manager=manager)


def test_a_constant_of_the_wrong_kind(manager):
    def joined(s: str, sep=","):
        return s + sep

    manager.register_plugin(joined)
    frame = pl.DataFrame({"s": ["a"], "t": ["b"]})
    assert dfv.apply(frame, "joined", manager=manager)["joined"].to_list() == ["a,"]
    assert dfv.apply(frame, "joined", sep="é", manager=manager)["joined"].to_list() == ["aé"]
    assert dfv.apply(frame, "joined", sep=pl.col("t"), manager=manager)["joined"].to_list() == ["ab"]
    with pytest.raises(dfv.KernelCompileError, match="where s is str, sep is a list"):
        dfv.apply(frame, "joined", sep=["a"], manager=manager)
    with pytest.raises(
        dfv.BindingError, match="constant `sep` must be a number of 64 bits, a bool, a string"
    ):
        dfv.apply(frame, "joined", sep=object(), manager=manager)
    # Of the same type as before, but no value that a column could hold.
    with pytest.raises(dfv.BindingError, match=r"constant `sep` .* got str '.ud800'"):
        dfv.apply(frame, "joined", sep="\ud800", manager=manager)


def test_one_character_beyond_ascii_is_enough(manager):
    """Wherever it is in a string, alone in its chunk: the row isn't computed as ASCII."""

    def turned(s: str):
        return s[::-1]

    manager.register_plugin(turned)
    for before in range(34):
        for behind in (0, 1, 7, 30):
            text = "a" * before + "é" + "b" * behind
            # Enough chunks of ASCII between them that the guarded variant is tried again.
            chunks = [["a"]] * kernel._STAY_GENERAL + [[text]]
            for rows in chunks:
                got = dfv.apply(pl.DataFrame({"s": rows}), "turned", manager=manager)
                assert got["turned"][0] == rows[0][::-1]
