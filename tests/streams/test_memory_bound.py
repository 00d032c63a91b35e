"""`memory=` counts bytes, whatever rows they make, and changes no value."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
from datetime import datetime
from math import inf

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from samples import SHARE, rows

import dataflare_vec as dfv
from dataflare_vec._util.prefetch import PrefetchQueue
from dataflare_vec.streams.bounds import cut
from dataflare_vec.streams.coalesce import coalesced, stamped
from dataflare_vec.streams.parquet.row_groups import FileLayout, file_layout
from dataflare_vec.streams.parquet.thrift import Decoder, encoded
from dataflare_vec.streams.sinks.targets import write_frames
from dataflare_vec.streams.sources.parquet_pieces import Pieces
from dataflare_vec.streams.sources.scanners import _SMALL_FOOTER, _row_groups, read_ipc, read_parquet
from dataflare_vec.streams.sources.schema_inference import ndjson_schema
from dataflare_vec.streams.sources.text_blocks import RowSplitter

MEMORY = 128 << 20
BATCH, PIECE = MEMORY // 64, MEMORY // 16


def long_rows(count: int, length: int) -> pl.DataFrame:
    """Rows with one long text each, of which every other is short."""
    text = [f"{row:06}" + "ab" * (length // 2 if row % 2 else 1) for row in range(count)]
    return pl.DataFrame({"x": range(1, count + 1), "text": text})


def through(source, memory=MEMORY, **options) -> list[pl.DataFrame]:
    return list(dfv.stream(source, SHARE, on_error="null", memory=memory, **options))


def check_bounded(frames, row: int, bound: int = BATCH):
    """Batches hold no more than the bound, and what is coalesced or added to it."""
    assert max(frame.estimated_size() for frame in frames) <= 2 * bound + row


@pytest.mark.parametrize("end", ["parquet", "arrow", "csv", "csv.gz", "ndjson", "arrows", "frames"])
def test_batches_are_bounded_by_bytes(end, tmp_path):
    frame = long_rows(120, 400_000)
    path = tmp_path / f"long.{end}"
    source = path
    if end == "parquet":
        frame.write_parquet(path)
    elif end == "arrow":
        frame.write_ipc(path)
    elif end == "arrows":
        frame.write_ipc_stream(path)
    elif end == "ndjson":
        frame.write_ndjson(path)
    elif end == "frames":
        source = iter([frame])
    else:
        text = frame.write_csv().encode()
        path.write_bytes(gzip.compress(text, 1) if end == "csv.gz" else text)
    frames = through(source)
    check_bounded(frames, 400_020)
    assert_frame_equal(pl.concat(frames).drop("share"), frame)


def test_few_bytes_that_decode_to_many(tmp_path):
    path = tmp_path / "runs.parquet"
    frame = pl.DataFrame({"x": pl.int_range(2_000_000, eager=True) // 500_000})
    frame = frame.with_columns(y=pl.lit(7), text=pl.lit("the same in each row"))
    pq.write_table(frame.to_arrow(compat_level=pl.CompatLevel.oldest()), path, row_group_size=1 << 30)
    assert path.stat().st_size < 100_000
    pieces = list(Pieces(FileLayout(path), 1 << 20).frames(1 << 18))
    assert max(piece.height for piece in pieces) <= (1 << 20) / 28
    assert_frame_equal(pl.concat(pieces), frame)


@pytest.mark.parametrize("nbytes", [1, 1000, 20_000, 1 << 20])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pieces_are_the_file(version, nbytes, tmp_path):
    path = tmp_path / "a.parquet"
    count = 100 if nbytes == 1 else 3000
    frame = rows(0, count).with_columns(
        gaps=pl.when(pl.col("id") % 3 > 0).then("id"),
        text=pl.concat_str("s", "id", "id"),
        real=pl.col("id") / 7,
        yes=pl.col("id") % 2 == 0,
        when=pl.lit(datetime(2024, 1, 2)) + pl.duration(seconds="id"),
        list=pl.concat_list("x", "id"),
        struct=pl.struct("x", "s"),
        kind=pl.col("s").cast(pl.Categorical),
    )
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(
        table, path, row_group_size=1700, data_page_size=2000, write_batch_size=64,
        data_page_version=version, use_dictionary=["s", "x", "kind"],
    )  # fmt: skip
    assert_frame_equal(pl.concat(Pieces(FileLayout(path), nbytes).frames(700)), pl.read_parquet(path))


def test_texts_that_share_their_beginnings(tmp_path):
    """What is encoded says little about them, so pieces go by those before."""
    path = tmp_path / "shared.parquet"
    frame = pl.DataFrame({"text": ["ab" * 500 + f"{row:05}" for row in range(5000)]})
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(table, path, use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"})
    pieces = list(Pieces(FileLayout(path), 300_000).frames(1 << 18))
    assert max(piece.estimated_size() for piece in pieces) < 700_000
    assert_frame_equal(pl.concat(pieces), frame)


def test_many_columns(tmp_path):
    path = tmp_path / "wide.parquet"
    frame = pl.DataFrame({f"c{index}": [index / 7] * 500 for index in range(60)})
    frame = frame.with_columns(pl.col("c1") + pl.int_range(500))
    pq.write_table(frame.to_arrow(), path)
    pieces = list(Pieces(FileLayout(path), 20_000).frames(1 << 18))
    assert max(piece.height for piece in pieces) <= 45
    assert_frame_equal(pl.concat(pieces), frame)


def test_a_large_column_among_many(tmp_path):
    """It alone is more than is decoded at a time; its rows are where those of the others are."""
    path = tmp_path / "wide.parquet"
    frame = pl.DataFrame({f"c{index}": [index / 7] * 500 for index in range(60)})
    text = ["ab" * (4000 if row < 100 else 20) + str(row) for row in range(500)]
    frame = frame.with_columns(pl.Series("text", text), list=pl.concat_list(pl.lit("x"), pl.lit("y")))
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(table, path, use_dictionary=False, write_batch_size=5, data_page_size=10_000)
    pieces = list(Pieces(FileLayout(path), 20_000).frames(1 << 18))
    assert max(piece.estimated_size() for piece in pieces) <= 60_000
    assert_frame_equal(pl.concat(pieces), frame)


def test_pages_that_say_other_numbers_of_rows(tmp_path):
    path = tmp_path / "a.parquet"
    frame = long_rows(40, 1000)
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(table, path, use_dictionary=False, write_batch_size=1, data_page_size=1, compression=None)
    content = path.read_bytes()
    at = content.index(b"\x15\x02\x15", 100)  # the number of values of a later page: 1
    path.write_bytes(content[: at + 1] + b"\x04" + content[at + 2 :])
    with pytest.raises((ValueError, pl.exceptions.PanicException)):
        list(Pieces(FileLayout(path), 5000).frames(100))


def rebuilt(content: bytes, change) -> bytes:
    """Return a Parquet file whose footer was changed."""
    size = int.from_bytes(content[-8:-4], "little") + 8
    footer = Decoder(content[-size:]).struct()
    change(footer)
    data = encoded(footer)
    return content[:-size] + data + len(data).to_bytes(4, "little") + b"PAR1"


def _group(footer):
    return footer[4][1][1][0]


def _meta(footer):
    """The metadata of the first column chunk."""
    return _group(footer)[1][1][1][0][3][1]


FOOTERS = {
    "no encodings": lambda footer: _meta(footer).pop(2),
    "a chunk that leads out of the file": lambda footer: _meta(footer).update({7: (6, 1 << 40)}),
    "rows that are less than none": lambda footer: _group(footer).update({3: (6, -1)}),
}


@pytest.mark.parametrize("change", FOOTERS.values(), ids=FOOTERS)
def test_a_malformed_footer(change, tmp_path):
    """What Polars reads is read, and what it doesn't is an error with the file's name, at once."""
    path = tmp_path / "a.parquet"
    rows(0, 3000).write_parquet(path, row_group_size=1000)
    path.write_bytes(rebuilt(path.read_bytes(), change))
    assert file_layout(path, 3000) is None
    outcomes = []
    for memory in (None, MEMORY):
        try:
            outcomes.append(pl.concat(through(path, memory)).height)
        except dfv.SourceError:
            outcomes.append("refused")
    assert outcomes in ([3000, 3000], ["refused", "refused"])


@pytest.mark.parametrize(
    "change",
    [
        lambda footer: footer.update({3: (6, 0)}),
        lambda footer: footer.update({3: (6, 2900)}),
        lambda footer: footer.update({3: (6, 3100)}),
        lambda footer: _group(footer).update({3: (6, 900)}),
        lambda footer: _group(footer).update({3: (6, 1 << 50)}),
    ],
    ids=["none", "fewer", "more", "fewer in a group", "more in a group"],
)
def test_row_groups_of_other_rows_than_the_footer_says(change, tmp_path):
    """Polars ends a slice where the footer says, whatever follows."""
    path = tmp_path / "a.parquet"
    rows(0, 3000).write_parquet(path, row_group_size=1000)
    path.write_bytes(rebuilt(path.read_bytes(), change))
    for memory in (None, MEMORY):
        with pytest.raises(
            dfv.SourceError, match=r"a\.parquet`.*: its footer counts \d+ rows, but its row groups hold \d+"
        ):
            through(path, memory)


@pytest.mark.parametrize("columns", [1, 400])
@pytest.mark.parametrize("groups", [0, 1, 7])
def test_row_groups_are_counted_as_pyarrow_does(columns, groups, tmp_path):
    """Of a small footer by ourselves."""
    path = tmp_path / "a.parquet"
    schema = pa.schema([(f"c{i}", pa.int64()) for i in range(columns)])
    with pq.ParquetWriter(path, schema) as file:
        for rows_of_group in range(1, groups + 1):
            file.write_table(pa.table([range(rows_of_group)] * columns, schema=schema))
    wanted = list(range(1, groups + 1))
    assert FileLayout(path).row_counts() == _row_groups(path) == wanted
    assert (FileLayout(path).footer_bytes <= _SMALL_FOOTER) is (columns == 1)
    read = list(read_parquet(path, sum(wanted), 1 << 16, None))
    assert sum(frame.height for frame in read) == sum(wanted)


@pytest.mark.parametrize("left_out", [(0,), (1,), (2,), (0, 1), (0, 2), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("number", range(3))
def test_a_batch_that_leaves_out_what_it_has_to_say(number, left_out, tmp_path):
    """Its rows, columns or buffers: Polars passes over one without rows, where it is asked for a slice."""
    path = tmp_path / "a.arrow"
    table = rows(0, 3 * 1237).to_arrow()
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table, max_chunksize=1237)
    content = bytearray(path.read_bytes())
    batch = [found.start() for found in re.finditer(b"\xff\xff\xff\xff", content)][1 + number]
    message = batch + 8 + struct.unpack_from("<I", content, batch + 8)[0]
    header = field(content, message, 2)
    header += struct.unpack_from("<I", content, header)[0]
    for index in left_out:
        assert field(content, header, index) > header
        place = header - struct.unpack_from("<i", content, header)[0] + 4 + 2 * index
        content[place : place + 2] = bytes(2)
    path.write_bytes(content)
    for memory in (None, MEMORY):
        with pytest.raises(dfv.SourceError, match=r"a\.arrow`"):
            through(path, memory)


def field(content, table, index):
    """Return where a field of a flatbuffer's table is."""
    layout = table - struct.unpack_from("<i", content, table)[0]
    return table + struct.unpack_from("<H", content, layout + 4 + 2 * index)[0]


@pytest.mark.parametrize("size", [-1, 1 << 30])
def test_a_page_of_an_impossible_size(size, tmp_path):
    """Less than nothing led back to the same page for ever."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"x": range(3000)}).write_parquet(path, compression="uncompressed")
    content = path.read_bytes()
    page = Decoder(content, 4)
    header = page.struct()
    header[3] = header[3][0], -(page.at - 4) if size < 0 else size
    path.write_bytes(content[:4] + encoded(header) + content[page.at :])
    with pytest.raises(ValueError, match="column `x` has a malformed page"):
        list(Pieces(FileLayout(path), 500).frames(100))


# -- text ---------------------------------------------------------------------------------------------------

TEXTS = {
    "plain": ("x,s\n1,a\n2,b\n", {}),
    "no end": ("x,s\n1,a\n2,b", {}),
    "lines": ("x,s\r\n1,a\r\n2,b\r\n", {}),
    "quotes": ('x,s\n1,"a\nb"\n2,"c""\n"\n3,""\n', {}),
    "no quotes": ('x,s\n1,"a\n2,b\n', {"quote_char": None}),
    "skipped": ("old\nolder\nx,s\n1,a\n2,b\n", {"skip_lines": 2}),
    "skipped after": ("x,s\n?,?\n1,a\n2,b\n", {"skip_rows_after_header": 1}),
    "comments": ('# "\nx,s\n1,a\n# it\'s "\n2,"b\n# c"\n3,d\n', {"comment_prefix": "#"}),
    "no header": ("1,a\n2,b\n", {"has_header": False, "new_columns": ["x", "s"]}),
    "ends": ("x;s|1;a|2;b|", {"eol_char": "|", "separator": ";"}),
    "blank": ("x,s\n\n1,a\n\n\n2,\n", {}),
    "short": ("x,s\n1,a\n2\n3\n4,d\n", {}),
    "other names": ("x,s\n1,a\n2,b\n", {"new_columns": ["x", "t, u"], "comment_prefix": "a"}),
    "nulls of a column": ("x,s\n1,1\n2,NA\n3,NA\n", {"null_values": {"s": "NA"}}),
    "nothing": ("x,s\n", {}),
}


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("name", TEXTS)
def test_blocks_of_text(name, size, tmp_path, monkeypatch):
    """Whole rows each, which give the same values as all at once."""
    text, options = TEXTS[name]
    monkeypatch.setattr("dataflare_vec.streams.sources.scanners.block_bytes", lambda memory: size)
    path = tmp_path / "a.csv"
    path.write_text(text)
    parts = [
        through(path, memory, read_options={"schema_overrides": {"x": pl.Int64}, **options})
        for memory in (None, MEMORY)
    ]
    expected, found = (pl.concat(frames) if frames else pl.DataFrame() for frames in parts)
    assert_frame_equal(found, expected)


def test_a_value_that_is_no_number_is_told_with_the_name_of_its_column(tmp_path, monkeypatch):
    monkeypatch.setattr("dataflare_vec.streams.sources.scanners.block_bytes", lambda memory: 4)
    (tmp_path / "a.csv").write_text("x,s\n1,a\n2,b\n?,c\n")
    options = {"schema_overrides": {"x": pl.Int64}}
    for memory in (None, MEMORY):
        with pytest.raises(dfv.SourceError, match=r"parse `\?` .* column 'x'"):
            through(tmp_path / "a.csv", memory, read_options=options)


def test_blocks_end_where_rows_do():
    text = b'1,"a\nb"\n2,c\n3,"d\n\n"\n'
    for size in range(1, len(text) + 1):
        blocks = list(RowSplitter(quote=b'"').blocks(io.BytesIO(text), size))
        assert b"".join(blocks) == text
        assert all(block.count(b'"') % 2 == 0 for block in blocks)
        assert all(block.endswith(b"\n") for block in blocks)
    assert [len(block) for block in RowSplitter().blocks(io.BytesIO(b"1\n2\n3\n"), 2, head=1)] == [4, 2]


RECORDS = {
    "numbers": [{"x": 1}, {"x": 0.5}],
    "large integers": [{"x": 1, "z": -1 << 64}, {"x": 1 << 63, "y": [1 << 64]}, {"z": 0.5}],
    "texts": [{"x": True}, {"x": "a"}],
    "late keys": [{"x": 1}, {"y": None}, {"z": "a", "x": 2}],
    "nothing": [{"x": None}, {}, {"x": []}, {"x": [1]}],
    "lists": [{"x": []}, {"x": [[1]]}, {"x": [[0.5], None]}],
    "structs": [{"x": {"p": 1}}, {"x": {"q": ["a"]}}, {"x": {}}, {"x": {"p": 0.5}}],
    "unlike": [{"x": {"p": 1}}, {"x": 2}],
    # Polars keeps the order of an object's keys up to 32 of them; each of these has one.
    "many keys": [{f"k{i}": i} for i in range(70)],
    "many fields": [{"x": {f"k{i}": {f"l{i % 40}": 0.5}}} for i in range(70)],
    "many in lists": [{"x": [{f"k{i}": None}, {f"k{i}": 1}]} for i in range(70)],
}


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("name", RECORDS)
def test_keys_are_found_in_blocks(name, size, tmp_path, monkeypatch):
    monkeypatch.setattr("dataflare_vec.streams.sources.schema_inference._BLOCK", size)
    path = tmp_path / "a.ndjson"
    path.write_text("\n\n".join(map(json.dumps, RECORDS[name])) + "\n\n")
    expected = pl.scan_ndjson(path, infer_schema_length=None).collect_schema()
    found = ndjson_schema(path, {})
    assert list(found.items()) == list(expected.items())


# -- batches and writers ------------------------------------------------------------------------------------


def test_frames_are_cut_to_bytes():
    frame = long_rows(100, 1000)
    pieces = list(cut(frame, 30, 5000))
    assert max(piece.height for piece in pieces) <= 30
    assert max(piece.estimated_size() for piece in pieces) <= 5000
    assert_frame_equal(pl.concat(pieces), frame)
    assert [piece.height for piece in cut(frame.head(3), 30, 1)] == [1, 1, 1]


def test_frames_are_joined_to_bytes():
    frames = [long_rows(10, 1000)] * 8
    size = frames[0].estimated_size()
    for nbytes, heights in ((inf, [80]), (2 * size, [20] * 4)):
        items = PrefetchQueue.of(stamped(frames))
        assert [f.height for f in coalesced(items, lambda: 1000, None, nbytes)] == heights


@pytest.mark.parametrize("end", ["parquet", "arrow", "csv", "csv.gz", "ndjson", "ndjson.zst"])
def test_what_is_written_is_the_same(end, tmp_path):
    frame = rows(1, 5000)
    paths = [tmp_path / f"{name}.{end}" for name in ("free", "bound")]
    for path, memory in zip(paths, (None, MEMORY), strict=True):
        dfv.stream(frame, SHARE, on_error="null", memory=memory).write(path)
    if end in ("csv", "ndjson"):
        assert paths[0].read_bytes() == paths[1].read_bytes()
    scan = getattr(pl, f"scan_{ {'arrow': 'ipc'}.get(end, end.partition('.')[0]) }")
    free, bound = (scan(path).collect() for path in paths)
    assert_frame_equal(free, bound)


@pytest.mark.parametrize("end", ["parquet", "csv", "ndjson"])
def test_nothing_is_written_as_before(end, tmp_path):
    schema = pl.Schema({"x": pl.Int64, "s": pl.String})
    contents = []
    for memory in (None, MEMORY):
        write_frames(iter([schema.to_frame()]), schema, tmp_path / "o", end, name="o", memory=memory)
        contents.append((tmp_path / "o").read_bytes())
    if end != "parquet":
        assert contents[0] == contents[1]
    else:
        assert pl.read_parquet(contents[1]).schema == schema


def test_row_groups_are_bounded_by_bytes(tmp_path):
    """Short rows, then long ones: nobody knows beforehand how many bytes some rows take."""
    short, long = rows(0, 50_000), long_rows(100, 600_000)
    frames = [short.select("x", text="s"), *long.iter_slices(2)]
    path = tmp_path / "o.parquet"
    options = {"compression": "uncompressed", "statistics": True}
    write_frames(iter(frames), frames[0].schema, path, "parquet", options=options, name="o", memory=MEMORY)
    metadata = pq.read_metadata(path)
    sizes = [metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)]
    assert len(sizes) > 2
    assert max(sizes) < PIECE + 700_000
    assert_frame_equal(pl.read_parquet(path), pl.concat(frames))
    assert pq.read_table(path).num_rows == 50_100
    found = pl.scan_parquet(path).filter(pl.col("x") == 100, pl.col("text").str.len_bytes() > 10).collect()
    assert found.height == 1


@pytest.mark.parametrize("end", ["csv", "ndjson"])
@pytest.mark.parametrize("how", ["packed, unnamed", "named, unpacked", "twice"])
def test_texts_are_packed_as_their_bytes_say(how, end, tmp_path):
    """Polars looks at these, not at the name."""
    frame = rows(1, 3000)
    text = (frame.write_csv() if end == "csv" else frame.write_ndjson()).encode()
    half = text.index(b"\n", len(text) // 2) + 1
    path = tmp_path / (f"a.{end}.gz" if how == "named, unpacked" else f"a.{end}")
    path.write_bytes(
        {
            "packed, unnamed": gzip.compress(text, 1),
            "named, unpacked": text,
            "twice": gzip.compress(text[:half], 1) + gzip.compress(text[half:], 1),
        }[how]
    )
    found = [pl.concat(through(path, memory)) for memory in (None, MEMORY)]
    assert found[0].height == 2999
    assert_frame_equal(*found)


def test_the_first_slice_of_an_ipc_file_is_bounded(tmp_path):
    frame = long_rows(120, 800_000)
    frame.write_ipc(tmp_path / "long.arrow")
    frames = list(read_ipc(tmp_path / "long.arrow", frame.height, 1 << 16, MEMORY))
    check_bounded(frames, 800_000, PIECE)
    assert_frame_equal(pl.concat(frames), frame)
