"""What the comparison of figures makes of their limits: made-up races, in processes that run the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMPARE = Path(__file__).parent.parent / "asv_benchmarks"
RACES = """
import sys
import compare
from races.common import Figure, at_least, at_most

def quiet(size):
    yield Figure("quiet", 2.0, at_least(1.2, aim=3))
    yield Figure("small", 1.5, at_most(2, aim=1))

def disturbed(size, ratios=[2.0, 0.5]):
    yield Figure("disturbed", ratios.pop(), at_least(1.2))

def slow(size, ratios=[0.75, 0.5]):
    yield Figure("slow", ratios.pop(), at_least(1.2), "the note")

def broken(size):
    yield Figure("broken", 1 / 0, at_least(1))

class topic:
    RACES = [quiet, disturbed, slow, broken]

compare.TOPICS = {"topic": topic}
sys.exit(compare.main())
"""


def compare(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", RACES, *arguments], cwd=COMPARE, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("race", ["quiet", "disturbed"])
def test_a_figure_within_its_limit_is_enough(race):
    code, out, _ = compare("--only", race)
    assert code == 0
    assert "short of the aim, 0 beyond the limit" in out


def test_a_figure_beyond_its_limit_twice_fails():
    code, out, _ = compare()
    assert code == 1
    assert "4 figures: 3 short of the aim, 1 beyond the limit" in out
    assert out.splitlines()[-1] == "| slow | 0.75 | ≥ 1.2 | ≥ 1.2 | the note |"
    assert "Broken down: broken." in out


def test_a_race_that_breaks_down_fails():
    code, out, error = compare("--quick", "--only", "broken")
    assert code == 1
    assert "Broken down: broken." in out
    assert "ZeroDivisionError" in error


def test_quick_figures_have_no_limit():
    code, out, _ = compare("--quick", "--only", "slow")
    assert code == 0
    assert "slow: 0.50" in out


def test_a_race_there_is_none_of():
    code, _, error = compare("--only", "rows")
    assert code == 2
    assert "no topic or race 'rows', but topic, quiet, disturbed, slow, broken" in error


WRITES = """
import sys
from pathlib import Path
import compare
from races.common import Figure, at_least
from testing import performance

performance.ENGINES = Path(sys.argv[1])
first, second = (Figure(name, 2.0, at_least(1.2)) for name in ("first", "second"))
compare.write_engines([first, second], "before", whole=True)
compare.write_engines([Figure("second", 3.0, at_least(1.2), "anew")], "after", whole=False)
"""


def test_the_table_of_engines_takes_lines_of_one_race(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n<!-- figures -->\n\n<!-- end of figures -->\nend\n")
    subprocess.run([sys.executable, "-c", WRITES, str(page)], cwd=COMPARE, check=True)
    lines = page.read_text().splitlines()
    assert lines[:3] == ["# Page", "", "<!-- figures -->"]
    assert lines[4].startswith("after")
    assert lines[6:11] == [
        "| figure | ratio | aim | limit | note |",
        "|---|--:|---|---|---|",
        "| first | 2.00 | ≥ 1.2 | ≥ 1.2 |  |",
        "| second | 3.00 | ≥ 1.2 | ≥ 1.2 | anew |",
        "",
    ]
    assert lines[-1] == "end"
