"""Files of failed rows hold each once, whichever attempts of tasks end, fail, meet, or come too late."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataflare_vec.distributed.calls import Over
from dataflare_vec.distributed.error_files import FailedToFiles, write_failed_rows
from dataflare_vec.distributed.work import Call
from dataflare_vec.exceptions import SinkError
from testing.engine_laws import share_of


@dataclass
class Attempt:
    """What becomes of an attempt of a task: another may run between two of its batches."""

    ends: bool
    meets: Attempt | None = None


@dataclass
class Attempts:
    """An engine whose tasks have some attempts each, of which one that ends is taken."""

    of_tasks: list[list[Attempt]]
    name: str = "Spark"
    works: list[FailedToFiles] = field(default_factory=list)

    def empty(self, data):
        return data[0][0][:0]

    def placed(self, data):
        return data

    def map(self, data, work):
        return [(task, work) for task in data]

    def collect(self, data):
        taken = []
        for (task, work), attempts in zip(data, self.of_tasks, strict=True):
            self.works.append(work)
            results = [result for attempt in attempts for result in self._results(task, work, attempt)]
            taken.append(results[len(attempts) % len(results)])
        return pa.concat_tables(taken)

    def _results(self, task, work, attempt):
        """Return the results of an attempt and of those that it meets, as far as they end."""
        results = []

        def batches():
            yield task[0]
            if attempt.meets is not None:
                results.extend(self._results(task, work, attempt.meets))
            if not attempt.ends:
                raise ConnectionError
            yield from task[1:]

        if attempt.ends:
            results.extend(work.over(batches()))
        else:
            with pytest.raises(ConnectionError):
                list(work.over(batches()))
        return results


_ATTEMPTS = st.recursive(
    st.builds(Attempt, st.booleans()), lambda other: st.builds(Attempt, st.booleans(), other), max_leaves=3
)
_TASKS = st.lists(
    st.tuples(
        st.lists(st.lists(st.integers(0, 2), max_size=4), min_size=1, max_size=3),
        st.lists(_ATTEMPTS, max_size=2).map(lambda attempts: [*attempts, Attempt(ends=True)]),
    ),
    min_size=1,
    max_size=3,
)


@given(tasks=_TASKS, killed=st.booleans())
@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_failed_rows_are_there_once(tasks, killed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "errors"
    at = 0
    data = []
    for batches, _ in tasks:
        data.append([])
        for whole in batches:
            rows = {"part": range(at, at + len(whole)), "whole": whole}
            data[-1].append(pl.DataFrame(rows, schema={"part": pl.Int64, "whole": pl.Int64}).to_arrow())
            at += len(whole)
    engine = Attempts([attempts for _, attempts in tasks])
    call = Call(share_of, {"on_error": "null"}, engine.name)
    over = Over(engine, data, engine.empty(data), call.request(), call, (), ())
    collect = engine.collect

    def leaving(results):
        if killed:  # what a process leaves that can't tidy up
            (results[0][1].attempts / "0.parquet").write_bytes(b"PAR1 half a")
        return collect(results)

    engine.collect = leaving
    counts, files = write_failed_rows(over, folder)
    whole = pl.concat([pl.DataFrame(batch) for task in data for batch in task])
    errors = pl.read_parquet(folder / "*.parquet")
    assert sorted(errors["part"]) == whole.filter(pl.col("whole") == 0)["part"].to_list()
    assert (counts["processed"], counts["error"]) == (whole.height, errors.height)
    assert sorted(map(str, folder.iterdir())) == list(files)
    assert [path.name for path in folder.parent.iterdir()] == ["errors"]
    late = [pl.DataFrame({"part": [1], "whole": [0]}).to_arrow()]
    with pytest.raises(SinkError, match="the run has ended without it"):
        list(engine.works[0].over(late))
    assert sorted(map(str, folder.iterdir())) == list(files)
