"""The command line: what each command says and writes, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dataflare_vec_kernels
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dataflare_vec.cli import main, progress
from dataflare_vec.definition.registry import default_registry
from dataflare_vec.streams import StreamResult

KERNELS = '''
import dataflare_vec as dfv

@dfv.plugin
def cli_share(part: int, whole: int, scale: float = 1.0) -> float:
    """Part of the whole.

    In what it is scaled to.
    """
    return scale * (part // whole)

@dfv.filter
def cli_large(cli_share, least=1.0):
    return cli_share >= least
'''


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """Work in a folder with plugins and data; forget the plugins afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernels.py").write_text(KERNELS)
    for index in range(3):
        part = pl.int_range(index * 100, index * 100 + 100, eager=True)
        (tmp_path / "in").mkdir(exist_ok=True)
        pl.DataFrame({"part": part, "whole": part % 50}).write_parquet(tmp_path / "in" / f"{index}.parquet")
    yield
    for name in {"cli_share", "cli_large"} & set(default_registry.own_names()):
        default_registry.remove(name)


def run(*arguments: str, code: int = 0) -> None:
    assert main(["run", *arguments, "--plugins", "kernels.py"]) == code
    for name in ("cli_share", "cli_large"):
        default_registry.remove(name)


def test_run(capsys):
    run("cli_share", "in/0.parquet", "in/1.parquet", "-o", "out.parquet", "--on-error", "null")
    out = pl.read_parquet("out.parquet")
    assert out["part"].to_list() == list(range(200))
    assert out["cli_share"].null_count() == 4
    text = capsys.readouterr()
    assert text.out == ""
    assert text.err.startswith("200 rows in ")
    assert "; 4 failed\n" in text.err


def test_a_pipeline_with_bindings(capsys):
    frame = pl.DataFrame({"a": [9, 4, 1], "whole": [3, 2, 1]})
    frame.write_csv("a.csv")
    run("ratio=cli_share", "a.csv", "-o", "b.csv", "--set", "part=a", "--set", "scale=10", "-q")
    assert pl.read_csv("b.csv")["ratio"].to_list() == [30.0, 20.0, 10.0]
    sets = ("--set", "part=a", "--set", "cli_large.least=2.5", "--only-new")
    run("cli_share,cli_large", "a.csv", "-o", "c.ndjson", *sets, "-q")
    assert pl.read_ndjson("c.ndjson").to_dicts() == [{"cli_share": 3.0}]
    assert capsys.readouterr().err == ""


def test_folders_and_failed_rows(capsys):
    options = ("--on-error", "drop", "--errors", "bad", "--json")
    run("cli_share", "in", "-o", "out", *options)
    summary = json.loads(capsys.readouterr().out)
    assert (summary["rows"], summary["rows_out"], summary["failed"]) == (300, 294, 6)
    assert summary["written"] == [f"out/{i}.parquet" for i in range(3)]
    assert pl.read_parquet("bad/*.parquet")["part"].to_list() == [0, 50, 100, 150, 200, 250]
    os.remove("out/1.parquet")
    run("cli_share", "in", "-o", "out", *options, "--resume")
    summary = json.loads(capsys.readouterr().out)
    assert (summary["written"], len(summary["skipped"])) == (["out/1.parquet"], 2)


def test_partitions_and_compression(capsys):
    run(
        "cli_share", "in", "-o", "parts", "--on-error=null", "--partition-by", "whole", "--compression", "lz4"
    )
    assert len(os.listdir("parts")) == 50
    run("cli_share", "in", "-o", "parts", "--on-error=null", "--partition-by", "whole", code=4)
    assert "--overwrite" in capsys.readouterr().err


def test_pipes():
    command = [sys.executable, "-m", "dataflare_vec.cli", "run", "cli_share", "--plugins", "kernels.py"]
    first = subprocess.run([*command, "in", "-o", "-", "--on-error", "drop"], check=True, capture_output=True)
    second = [*command[:-3], "again=cli_share", "--plugins", "kernels.py", "-", "-o", "-", "-q"]
    done = subprocess.run(second, input=first.stdout, check=True, capture_output=True)
    assert done.stderr == b""
    frame = pl.read_ipc_stream(done.stdout)
    assert frame.columns == ["part", "whole", "cli_share", "again"]
    assert_frame_equal(frame.select("again"), frame.select(again="cli_share"))
    assert frame.height == 294


def test_a_pipe_that_nobody_reads():
    command = [sys.executable, "-m", "dataflare_vec.cli", "list"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("cli_shar", "in"), 2, "plugin `cli_shar` not found; did you mean `cli_share`"),
        (("cli_share", "in", "--set", "part=prt"), 2, "column `prt` (for parameter `part`) not found"),
        (("cli_share", "in", "--set", "prt=part"), 2, "parameter `prt`"),
        (
            ("cli_share", "in", "--set", "part"),
            2,
            "expected PARAMETER=COLUMN or PARAMETER=NUMBER",
        ),
        (("cli_share", "in", "--set", "other.part=x"), 2, "--set other.…: none of the plugins"),
        (("cli_share,", "in"), 2, "expected PLUGIN[,PLUGIN…]"),
        (("cli_share", "in", "--memory", "much"), 2, "--memory must be a number of bytes"),
        (("cli_share", "in", "-"), 2, "can't be read together with files"),
        (("cli_share", "out"), 3, "can't read `out`: no such file"),
        (("cli_share", "bad.parquet"), 3, "can't read `bad.parquet` as parquet"),
        (("cli_share", "in"), 5, "rows 0, 50 of `in/0.parquet` failed, the first with ZeroDivisionError"),
        (("cli_share", "in", "--errors", "e.parquet"), 2, "--on-error null or drop"),
    ],
)
def test_mistakes(arguments, code, text, capsys, tmp_path):
    (tmp_path / "bad.parquet").write_text("PAR1 nothing PAR1")
    run(*arguments, "-o", "out.parquet", code=code)
    assert text in capsys.readouterr().err
    assert not os.path.exists("out.parquet")


def test_outputs_that_cannot_be(capsys):
    run("cli_share", "in", "-o", "in/0.parquet", "--on-error=null", code=2)
    assert "`in/0.parquet` is also an input" in capsys.readouterr().err
    run("cli_share", "in", "-o", "kernels.py/out.parquet", "--on-error=null", code=4)
    assert "can't write `kernels.py/out.parquet`" in capsys.readouterr().err


def test_plugin_files_that_cannot_be(capsys, tmp_path):
    command = ["run", "x", "in", "-o", "o.parquet", "--plugins"]
    assert main([*command, "none.py"]) == 2
    assert "`none.py` is not a Python file" in capsys.readouterr().err
    (tmp_path / "broken.py").write_text("import nothing_there")
    assert main([*command, "broken.py"]) == 2
    assert "`broken.py` raised ModuleNotFoundError" in capsys.readouterr().err


def test_wrong_usage():
    for arguments in ([], ["fly"], ["run", "cli_share"], ["run", "x", "in", "-o", "o", "--on-error", "hide"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2


def test_help_tells_the_exit_codes(capsys):
    for arguments in (["--help"], ["run", "--help"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
        assert "3    an input is missing, damaged, or changes its columns" in capsys.readouterr().out


def test_list_shows_families(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    families = [line for line in lines if line and not line.startswith(" ")]
    assert set(dataflare_vec_kernels.__all__) <= set(families)
    geo = lines[lines.index("geo") : lines.index("geo") + 8]
    assert "  haversine              Great-circle distance between two points, on a sphere." in geo
    assert main(["list", "--json", "--plugins", "kernels.py"]) == 0
    families = json.loads(capsys.readouterr().out)
    assert families["kernels"]["cli_share"] == "Part of the whole."


def test_show(capsys):
    assert main(["show", "cli_share", "--plugins", "kernels.py"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("cli_share(part, whole, scale=1.0)\n")
    for part in (
        "row kernel, transformer",
        "kernels.py:4",
        "column, int",
        "1.0 unless bound",
        "In what it is",
    ):
        assert part in text
    assert main(["show", "haversine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["from"].startswith("dataflare_vec_kernels.geo, ")
    assert main(["show", "haversin"]) == 2
    assert "did you mean `haversine`" in capsys.readouterr().err


def test_explain_and_bench(capsys):
    assert main(["explain", "cli_share", "in/0.parquet", "--plugins", "kernels.py"]) == 0
    assert "cli_share(part: Int64, whole: Int64) → cli_share: Float64" in capsys.readouterr().out
    assert main(["bench", "cli_share", "in"]) == 0
    text = capsys.readouterr().out
    assert "300, of which 6 failed" in text
    assert "plain Python" in text
    assert main(["bench", "cli_share,cli_large", "in/0.parquet", "--rows", "10", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["rows"], figures["python_ns_per_row"]) == (10, None)
    assert figures["seconds"] > 0


def test_report(capsys, tmp_path):
    run("cli_share", "in", "-o", "o.parquet", "--on-error=null", "--report", "report.json", "-q")
    assert main(["report", "report.json"]) == 0
    assert "cli_share" in capsys.readouterr().out
    assert main(["report", "report.json", "-o", "page.html"]) == 0
    assert "cli_share" in (tmp_path / "page.html").read_text()
    assert main(["report", "kernels.py"]) == 3
    assert "`kernels.py`: it is not a performance report" in capsys.readouterr().err
    assert main(["report", "nothing.json"]) == 3


def test_new(capsys):
    assert main(["new", "my-kernels"]) == 0
    assert "pip install" in capsys.readouterr().out
    assert main(["new", "my-kernels"]) == 2
    assert "isn't empty" in capsys.readouterr().err
    assert main(["new", "2nd"]) == 2
    assert main(["new", "class"]) == 2


def test_a_new_pack_is_there_as_a_whole_or_not_at_all(tmp_path, monkeypatch, capsys):
    (tmp_path / "my-kernels").mkdir()
    written = Path.write_text

    def write(path, text, **options):
        if path.name == "README.md":
            (tmp_path / "my-kernels" / "theirs").touch()
        return written(path, text, **options)

    monkeypatch.setattr(Path, "write_text", write)
    assert main(["new", "my-kernels"]) == 2
    assert "`my-kernels` already exists and isn't empty" in capsys.readouterr().err
    assert [each.name for each in tmp_path.rglob("*my-kernels*/**/*")] == ["theirs"]


def test_a_new_pack_installs_and_passes_its_test(tmp_path):
    main(["new", "my-kernels"])
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--quiet"]
    subprocess.run([*pip, "--target", str(target), "./my-kernels"], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    for command in (["-m", "pytest", "-q", "-W", "error"], ["benchmarks/bench_my_kernels.py", "1000"]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd="my-kernels",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    show = [sys.executable, "-m", "dataflare_vec.cli", "show", "my_kernels_change"]
    assert b"relative change" in subprocess.run(show, env=environment, capture_output=True, check=True).stdout


def test_progress(monkeypatch, capsys):
    result = StreamResult(total_count=1000)
    result.begin()
    result.processed_count, result.error_count = 500, 3
    line = progress.describe(result)
    assert line.startswith("500 rows · ")
    assert line.endswith(" · 3 failed")
    with progress.progress_for(result, quiet=False) as show:
        assert show is None  # nobody looks at it
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress.progress_for(result, quiet=False) as show:
        show(result)
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    capsys.readouterr()
    with progress.progress_for(result, quiet=False) as show:
        assert show is None  # the run says what it did when it has ended
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="the starter's memory counts on Linux only")
def test_peak_memory_is_this_processs_own():
    code = "from dataflare_vec.cli.run import peak_memory; print(peak_memory())"
    start = f"subprocess.run([sys.executable, '-c', {code!r}], check=True)"
    large = f"import subprocess, sys; x = b'x' * (1 << 29); {start}"
    done = subprocess.run([sys.executable, "-c", large], check=True, capture_output=True, text=True)
    assert 1 << 20 < int(done.stdout) < 1 << 29
