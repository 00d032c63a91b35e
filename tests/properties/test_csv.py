"""CSV files of any dialect are read as Python's own `csv` module writes them."""

from __future__ import annotations

import csv
import gzip
import io

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def mark(zip: str):
    return zip + "!"


MARK = define(mark, name="mark", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
ENCODINGS = ("utf8", "latin1", "utf16", "utf-8-sig")
#: What each encoding has; digits with zeros before them above all.
TEXTS = st.one_of(
    st.from_regex(r"\A0[0-9]{1,8}\Z"),
    st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_categories=["Cc"]), min_size=1),
    st.sampled_from(["a\nb", 'say "x"', "a,b;c|d\te", "NA", "null", "true", "2024-01-01", "1e5", " x "]),
)


@given(
    rows=st.lists(st.tuples(TEXTS, st.integers(-(2**40), 2**40)), min_size=1, max_size=8),
    separator=st.sampled_from(",;|\t"),
    quote=st.sampled_from("\"'"),
    encoding=st.sampled_from(ENCODINGS),
    header=st.booleans(),
    packed=st.booleans(),
)
def test_any_dialect(tmp_path_factory, rows, separator, quote, encoding, header, packed):
    text = io.StringIO()
    writer = csv.writer(
        text, delimiter=separator, quotechar=quote, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
    )
    if header:
        writer.writerow(["zip", "n"])
    writer.writerows(rows)
    content = text.getvalue().encode(encoding)
    path = tmp_path_factory.mktemp("csv") / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    options = {"separator": separator, "quote_char": quote, "encoding": encoding}
    if not header:
        options |= {"has_header": False, "new_columns": ["zip", "n"]}
    frame = pl.concat(list(dfv.stream(path, MARK, read_options=options)))
    assert frame.rows() == [(zip, n, zip + "!") for zip, n in rows]
