"""Every option of every command, as somebody would type it."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from dataflare_vec.cli import main, progress
from dataflare_vec.definition.registry import default_registry
from dataflare_vec.streams import StreamResult

KERNELS = '''
import dataflare_vec as dfv

@dfv.plugin
def opt_share(part: int, whole: int, scale: float = 1.0) -> float:
    """Part of the whole."""
    return scale * (part // whole)

@dfv.filter
def opt_large(opt_share, least=1.0):
    return opt_share >= least

@dfv.scan(init=0)
def opt_running(total, part):
    total += part
    return total, total

@dfv.reduce(init=0, merge=lambda a, b: a + b)
def opt_total(state, part):
    return state + part

@dfv.plugin
def opt_place(zip: str) -> str:
    return zip[:2]
'''
NAMES = ("opt_share", "opt_large", "opt_running", "opt_total", "opt_place")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("k.py").write_text(KERNELS)
    Path("in").mkdir()
    for index in range(2):
        part = pl.int_range(index * 10, index * 10 + 10, eager=True)
        frame = pl.DataFrame(
            {"part": part, "whole": part % 5, "k": part % 3, "j": part % 2, "s": part.cast(str)}
        )
        frame.write_parquet(f"in/{index}.parquet")
    yield
    _forget()


def _forget() -> None:
    for name in set(NAMES) & set(default_registry.own_names()):
        default_registry.remove(name)


def typed(line: str, code: int = 0) -> None:
    """Run a command line."""
    try:
        got = main(shlex.split(line))
    except SystemExit as end:
        got = end.code
    finally:
        _forget()
    assert got == code, line


def run(line: str, code: int = 0) -> None:
    typed(f"run {line} --plugins k.py", code)


def everything() -> pl.DataFrame:
    return pl.read_parquet("in/*.parquet")


def test_by_one_key_and_several(capsys):
    frame = everything()
    for by, keys in (("--by k", ["k"]), ("--by k,j", ["k", "j"]), ("--by k --by j", ["k", "j"])):
        run(f"opt_running in -o o.parquet {by} -q")
        wanted = frame.with_columns(opt_running=pl.col("part").cum_sum().over(keys))
        assert pl.read_parquet("o.parquet").equals(wanted)
    run("t=opt_total in -o o.csv --by k -q")
    assert dict(pl.read_csv("o.csv").rows()) == dict(frame.group_by("k").agg(pl.col("part").sum()).rows())


def test_by_in_a_pipeline(capsys):
    frame = everything()
    by_k = pl.col("part").cum_sum().over("k").alias("a")
    by_j = pl.col("part").cum_sum().over("j").alias("b")
    run("a=opt_running,opt_place,b=opt_running in -o o.parquet --by k -q --set zip=s")
    out = pl.read_parquet("o.parquet")
    assert out["a"].equals(frame.select(by_k)["a"])
    assert out["b"].equals(out["a"].alias("b"))
    # Keys of one plugin alone, and those of all others.
    run("a=opt_running,opt_total in -o o.csv --by opt_running=k --by opt_total=j -q")
    assert set(pl.read_csv("o.csv").columns) == {"j", "opt_total"}
    run("a=opt_running,t=opt_total in -o o.csv --by opt_total=k --by j -q")
    assert pl.read_csv("o.csv").columns == ["k", "t"]
    run("b=opt_running in -o o.parquet --by opt_running=j -q")
    assert pl.read_parquet("o.parquet")["b"].equals(frame.select(by_j)["b"])
    for line, text in (
        ("opt_share in -o x.parquet --by k", "`opt_share`: it carries no state, so it doesn't take --by"),
        (
            "opt_share,opt_large in -o x.parquet --by k",
            "none of the plugins `opt_share`, `opt_large` is a scan",
        ),
        ("opt_running in -o x.parquet --by nope", "key column `nope` not found"),
        ("opt_running in -o x.parquet --by k,", "--by: expected COLUMN[,COLUMN…], got `k,`"),
        ("opt_running in -o x.parquet --by k,k", "two keys have the same name: --by is k, k; name each once"),
        ("k=opt_total in -o x.parquet --by k --replace", "rename the output with COLUMN=PLUGIN"),
    ):
        run(line, code=2)
        assert text in capsys.readouterr().err
    assert not Path("x.parquet").exists()


def test_set_holds_for_each_use_of_a_plugin():
    run("a=opt_share,b=opt_share in -o o.parquet --set opt_share.scale=10 --on-error drop --only-new -q")
    out = pl.read_parquet("o.parquet")
    assert out.columns == ["a", "b"]
    assert out["a"].equals(out["b"].alias("a"))


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("o.csv.gz", lambda: gzip.open("o.csv.gz", "rt").read().startswith("part,whole")),
        ("o.tsv", lambda: Path("o.tsv").read_text().startswith("part\twhole")),
        ("o.JSONL", lambda: pl.read_ndjson("o.JSONL").height == 20),
        ("o.ndjson.zst", lambda: pl.read_ndjson("o.ndjson.zst").height == 20),
    ],
)
def test_output_is_what_its_name_says(name, read):
    run(f"opt_share in -o {name} --on-error null -q")
    assert read()


REFUSED = [
    ("-o o.xlsx", 2, "`o.xlsx`: can't infer the output format"),
    ("-o o.json", 2, "can't infer the output format"),
    ("-o o.txt", 2, "or pass --format one of parquet"),
    ("-o o.parquet.gz", 2, "can't infer the output format"),
    ("-o o.parquet --errors e.parquet", 2, "--errors needs --on-error null or drop"),
    ("-o o.parquet --errors e.xlsx --on-error drop", 2, "`e.xlsx`: can't infer the output format"),
    ("-o o.parquet --errors o.parquet --on-error drop", 2, "would both be written to `o.parquet`"),
    ("-o o --errors o --on-error drop", 2, "would both be written to `o/0.parquet`"),
    ("-o o --errors in --on-error drop", 2, "`in/0.parquet` is also an input"),
    ("-o o --errors e.parquet --on-error drop", 2, "--errors must be a folder too"),
    (
        "-o p --partition-by k --errors p/e.parquet --on-error drop",
        2,
        "would be inside `p`, which is replaced",
    ),
    ("-o k.py --format csv", 2, "`k.py` is also an input"),
    ("-o r.json --report r.json --format csv", 2, "would both be written to `r.json`"),
    ("-o o.parquet --report r.txt", 2, "--report: the name must end in .html or .json"),
    ("-o o.parquet --report nowhere/r.json", 4, "--report: can't write `nowhere/r.json`"),
    ("-o o.parquet --resume", 2, "--resume needs a folder of files as output"),
    (
        "-o o.parquet --format xml",
        2,
        "--format must be one of parquet, ipc, ipc_stream, csv, ndjson, delta, got 'xml'",
    ),
    (
        "-o o.parquet --input-format xml",
        2,
        "--input-format must be one of parquet, ipc, ipc_stream, csv, ndjson, got 'xml'",
    ),
    ("-o o.parquet --compression zip", 2, "--compression must be one of zstd"),
    ("-o o.csv --compression gzip", 2, "--compression gzip needs a name that ends in `.csv.gz`"),
    ("-o d --format delta --compression zstd", 2, "--compression: not available for delta"),
    ("-o o.parquet --memory much", 2, "--memory must be a number of bytes"),
    ("-o o.parquet --max-latency 0", 2, "--max-latency must be more than 0 seconds"),
    ("-o o.parquet --max-latency=-1", 2, "--max-latency must not be negative"),
    ("-o o.parquet --separator ;", 3, "is parquet, which doesn't take --separator ;"),
    ("-o o.parquet --separator ;;", 2, "--separator ;;: it has to be one ASCII character"),
    ("-o o.parquet --decimal-comma", 2, "--decimal-comma needs a separator other than a comma"),
    ("-o o.parquet --dtype k", 2, "--dtype: expected COLUMN=TYPE, got `k`"),
    ("-o o.parquet --dtype k=Strange", 2, "--dtype: `Strange` is not a dtype; use i8"),
    ("-o o.parquet --encoding klingon", 2, "--encoding klingon: unknown encoding"),
    ("-o o.parquet --null-value a --null-value b=c", 2, "--null-value: give either TEXT for all columns"),
    ("-o p --partition-by nope", 2, "--partition-by: column `nope` not found"),
]


@pytest.mark.parametrize(("options", "code", "text"), REFUSED, ids=[each[0] for each in REFUSED])
def test_refused_before_any_work(options, code, text, capsys, monkeypatch):
    def never(*_):
        raise AssertionError

    if "nope" not in options:  # that needs the columns
        monkeypatch.setattr("dataflare_vec.streams.transform.Transform.output_schema", never)
    before = sorted(Path().rglob("*"))
    run(f"opt_share in {options.replace(';', chr(39) + ';' + chr(39))}", code)
    assert text.replace("';'", ";") in capsys.readouterr().err
    assert [path for path in sorted(Path().rglob("*")) if "__pycache__" not in str(path)] == before


def test_messages_speak_of_options(capsys):
    pl.DataFrame({"part": [1], "whole": [2], "opt_share": [0]}).write_parquet("a.parquet")
    run("opt_share a.parquet -o o.parquet", 2)
    text = capsys.readouterr().err
    assert (
        "rename the output with COLUMN=PLUGIN, replace that column with --replace, or pass --only-new" in text
    )
    run("opt_share a.parquet -o o.parquet --replace -q")
    assert pl.read_parquet("o.parquet").rows() == [(1, 2, 0.0)]
    run("opt_share a.parquet -o o.parquet --set part=prt", 2)
    assert "bind another one with --set part=…" in capsys.readouterr().err
    run("opt_share in -o o.parquet", 5)
    assert "pass --on-error null or drop to go on without them" in capsys.readouterr().err
    Path("a.csv").write_text("zip\n1\n")
    run("opt_place a.csv -o o.csv --dtype zip=i64", 2)
    assert "or convert it with --dtype zip=…" in capsys.readouterr().err
    run("opt_share in -o p --partition-by k --on-error null -q")
    run("opt_share in -o p --partition-by k --on-error null -q", 4)
    assert "pass --overwrite to replace it" in capsys.readouterr().err
    run("opt_share in -o p --partition-by k --on-error null -q --overwrite")


def test_how_csv_is_read():
    Path("z.csv").write_text("zip;v;day\n01067;1,5;2024-01-02\nNA;2,25;\n", encoding="utf8")
    options = "--separator ';' --null-value NA --decimal-comma --dtype day=str,v=Float32"
    run(f"opt_place z.csv -o o.ndjson -q {options}")
    assert pl.read_ndjson("o.ndjson").rows() == [
        ("01067", 1.5, "2024-01-02", "01"),
        (None, 2.25, None, None),
    ]
    Path("z.txt").write_bytes("'Mü','a,b'\n".encode("latin1"))
    options = '--input-format csv --encoding latin1 --no-header --quote-char "\'" --set zip=column_0'
    run(f"opt_place z.txt -o o.csv -q {options}")
    assert pl.read_csv("o.csv").rows() == [("Mü", "a,b", "Mü")]
    Path("p.csv").write_text("zip,price\n01,1.10\n")
    run("opt_place p.csv -o o.parquet -q --schema 'price=decimal[10,2],zip=str'")
    assert pl.read_parquet("o.parquet").schema["price"] == pl.Decimal(10, 2)
    run("opt_place p.csv -o o.parquet -q --dtype price=decimal", 2)  # of how many digits?
    Path("z.tsv").write_text("zip\tv\n01\tx\n")
    run(r"opt_place z.tsv -o o.tsv -q --separator '\t' --null-value v=x")
    assert Path("o.tsv").read_text() == "zip\tv\topt_place\n01\t\t01\n"
    run("opt_place z.csv -o texts/ -q --separator ';' --format parquet")
    assert pl.read_parquet("texts/z.parquet")["zip"].to_list() == ["01067", "NA"]


def test_report_json_and_quiet(capsys):
    run("opt_share in -o o.parquet --on-error null --report r.html --json")
    assert json.loads(capsys.readouterr().out)["failed"] == 4
    assert "opt_share" in Path("r.html").read_text()
    run("opt_share in -o o --on-error drop --errors bad --report r.json --memory 1GiB --max-latency 5")
    assert "; 4 failed (see bad)" in capsys.readouterr().err
    run("opt_share in -o o --on-error drop --errors bad --resume")
    assert "2 files were finished already" in capsys.readouterr().err
    run("opt_share in -o d --format delta --on-error null -q --only-new")
    assert capsys.readouterr().err == ""


def test_bench_and_explain_read_as_run_does(capsys):
    Path("z.csv").write_text("zip;v\n01067;1\n")
    typed("bench opt_place z.csv --separator ';' --rows 1 --json --plugins k.py")
    assert json.loads(capsys.readouterr().out)["rows"] == 1
    typed("explain opt_place z.csv --separator ';' --plugins k.py")
    assert "opt_place(zip: String)" in capsys.readouterr().out
    typed("bench opt_running in --by k --plugins k.py")
    assert "20, of which 0 failed" in capsys.readouterr().out
    typed("explain opt_running in --by k --plugins k.py")
    assert "scan opt_running" in capsys.readouterr().out
    for line, text in (
        ("bench opt_share in --rows 0 --plugins k.py", "--rows must be at least 1"),
        ("explain opt_running --by k --plugins k.py", "--by needs FILE"),
    ):
        typed(line, 2)
        assert text in capsys.readouterr().err


@pytest.mark.parametrize("library", ["altair", "jinja2", "vl_convert"])
def test_a_page_without_its_libraries_is_refused_before_any_work(capsys, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    run("opt_share in -o o.parquet --on-error null --report r.html", 1)
    err = capsys.readouterr().err
    assert err.startswith(f"dataflare-vec: --report: an HTML report needs `{library}`, which isn't installed")
    assert err.endswith('; python -m pip install "dataflare_vec[report]"\n')
    assert not os.path.exists("o.parquet")
    run("opt_share in -o o.parquet --on-error null --report r.json -q")
    typed("report r.json")
    typed("report r.json -o page.html", 1)
    assert not os.path.exists("page.html")


def test_compile_report_cache_and_new(capsys):
    for line, code, text in (
        ("compile opt_share --plugins k.py", 0, "opt_share(part: Int64, whole: Int64)"),
        ("compile opt_share --for i64,Int32 --plugins k.py", 0, "whole: Int32"),
        ("compile opt_share --for 'datetime[ms],u8' --plugins k.py", 0, "whole: UInt8"),
        ("compile opt_share --for i64 --plugins k.py", 2, "reads 2 columns (part, whole), got 1 types"),
        ("compile opt_share --for i64,foo --plugins k.py", 2, "--for: `foo` is not a dtype"),
        (
            "compile opt_share --for 'datetime[xx],i64' --plugins k.py",
            2,
            "--for: `datetime[xx]` is not a dtype",
        ),
        ("compile opt_running --plugins k.py", 2, "`opt_running`: it is a scan"),
        ("cache list", 0, "opt_share(part: Int64, whole: Int64)"),
        ("cache size", 0, "kernels, "),
        ("cache clear", 0, "freed in"),
        ("cache", 0, "0 kernels"),
        ("cache burn", 2, "invalid choice"),
        ("list --plugins k.py", 0, "Part of the whole."),
        ("list --json --plugins k.py", 0, '"opt_share": "Part of the whole."'),
        ("show opt_running --plugins k.py", 0, "scan, transformer"),
        ("show opt_share --json --plugins k.py", 0, '"signature": "opt_share(part, whole, scale=1.0)"'),
        ("report none.json", 3, "can't read `none.json`"),
        ("new pack", 0, "pack/pyproject.toml"),
        ("new k.py", 2, "`k.py` already exists"),
        ("new k.py/pack", 4, "can't write `k.py/pack`"),
        ("--version", 0, "dataflare-vec "),
    ):
        typed(line, code)
        out, err = capsys.readouterr()
        assert text in out + err, line
    run("opt_share in -o o.parquet --on-error null --report r.json -q")
    before = Path("r.json").read_text()
    os.symlink("r.json", "link.html")
    for line, code, text in (
        ("report r.json -o r.json", 2, "-o: the page's name must end in .html"),
        ("report r.json -o link.html", 2, "`link.html` is also an input"),
        ("report r.json -o none/page.html", 4, "can't write `none/page.html`"),
        ("report r.json", 0, "opt_share"),
        ("report r.json -o page.html", 0, ""),
    ):
        typed(line, code)
        out, err = capsys.readouterr()
        assert text in out + err, line
    assert Path("r.json").read_text() == before


def test_pipes_say_when_something_is_missing():
    """A run that fails, and the one that reads from it; as a shell would start them."""
    command = [sys.executable, "-m", "dataflare_vec.cli", "run"]
    options = ["--plugins", "k.py", "-q"]
    first = subprocess.run(
        [*command, "opt_share", "in", "-o", "-", *options], check=False, capture_output=True
    )
    assert first.returncode == 5
    second = [*command, "again=opt_share", "-", "-o", "out.parquet", *options]
    done = subprocess.run(second, input=first.stdout, check=False, capture_output=True)
    assert (done.returncode, Path("out.parquet").exists()) == (3, False)
    assert b"standard input " in done.stderr
    as_csv = [
        *command,
        "opt_share",
        "in",
        "-o",
        "/dev/stdout",
        "--format",
        "csv",
        "--on-error=drop",
        *options,
    ]
    done = subprocess.run(as_csv, check=True, capture_output=True)
    assert pl.read_csv(io.BytesIO(done.stdout)).height == 16
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*command, "opt_share", "in", "-o", "-", "--on-error=drop", *options],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_what_a_shell_has_opened_is_not_overwritten(capsys, monkeypatch):
    with open("in/0.parquet", "ab") as target:
        monkeypatch.setattr("dataflare_vec.files.paths.os.fstat", lambda _: os.stat(target.name))
        run("opt_share in -o - --on-error null", 2)
    assert "`in/0.parquet` is also the standard output" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("total", "done", "shown"),
    [
        (None, 0, r"━  starting"),
        (1000, 0, r"━   0% starting"),
        (1000, 500, r"━  50% 500 rows · [\d,]+ rows/s · [\d.]+ .iB · 2,720 failed -:--:--"),
        (1000, 1000, r"━ 100% 1,000 rows · .* · 2,720 failed 0:00:00"),
        (None, 500, r"━  500 rows · .* · 2,720 failed"),
        (0, 500, r"━  500 rows · .* · 2,720 failed"),
    ],
)
def test_progress_on_a_terminal(monkeypatch, total, done, shown):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    result = StreamResult(total_count=total)
    result.begin()
    result.processed_count, result.error_count = done, 2720
    with progress.progress_for(result, quiet=False) as show:
        show(result)
    last = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", screen.getvalue()).split("\r")[-2]
    assert re.search(rf"{shown} *\n$", last)


def test_a_file_of_plugins_takes_no_module_away(capsys):
    import math

    Path("math.py").write_text(KERNELS.replace("part // whole", "part % whole"))
    typed("list --plugins math.py")
    assert sys.modules["math"] is math
    assert "plugins_math\n  opt_" in capsys.readouterr().out
    typed("show opt_share --plugins k.py")
    assert "from         k, " in capsys.readouterr().out
    Path("broken.py").write_text("1 / 0")
    typed("list --plugins broken.py", 2)
    assert "broken" not in sys.modules


def test_columns_that_polars_cannot_read(capsys):
    import pyarrow as pa

    table = pa.table({"part": [1], "w": pa.array([1], pa.decimal256(60, 2))})
    with pa.OSFile("a.arrows", "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    run("opt_running a.arrows -o o.parquet", 3)
    assert "can't read `a.arrows` as ipc_stream" in capsys.readouterr().err
    command = [sys.executable, "-m", "dataflare_vec.cli", "run", "opt_running", "-", "-o", "o.parquet"]
    done = subprocess.run(
        [*command, "--plugins", "k.py"], input=Path("a.arrows").read_bytes(), capture_output=True, check=False
    )
    assert done.returncode == 2  # the message says what to write
    assert b"column `w` has the Arrow type decimal256(60, 2), which Polars can't read" in done.stderr
    assert b"Traceback" not in done.stderr
