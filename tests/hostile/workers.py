"""A child process that takes files through the library, started anew when a file has ended it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROADS = Path(__file__).with_name("roads.py")
#: Bytes of data that a child may have, and seconds that a road may take.
MEMORY, SECONDS = 3 << 30, 120.0
#: Files after which a child is started anew: what Polars leaks in panics adds up.
_MOST = 100


class Worker:
    """One child at a time; `take` gives it a file and yields what becomes of that on each road."""

    def __init__(self, memory: int = MEMORY, seconds: float = SECONDS) -> None:
        self._memory, self._seconds = memory, seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._taken = self.started = 0
        self._log = tempfile.TemporaryFile()

    def take(self, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield ``road``, ``verdict`` and ``about`` for each of the job's roads.

        One that ends the process is `crash`, unless Polars or PyArrow alone end it as well over the file.
        """
        left = list(job["roads"])
        job = dict(job)
        while True:
            ended = None
            for said in self._order({**job, "roads": left}):
                ended = said if "end" in said else None
                if "verdict" in said and not (said["road"] == "reference" and job.get("repeated")):
                    left = [road for road in left if road != said["road"]]
                    yield said
            if ended is None:
                return
            road = ended["road"]
            if not road:
                msg = f"the child has a mistake of its own: {ended['end']}"
                raise RuntimeError(msg)
            if road == "reference":
                yield {"road": road, "verdict": "crash upstream", "about": ended["end"]}
                job["reference"] = False
            else:
                job["repeated"] = True
                left = [each for each in left if each != road]  # it may have ended right after its verdict
                verdict = "crash upstream" if self._ends_alone(job, road) else ended["kind"]
                yield {"road": road, "verdict": verdict, "about": ended["end"]}
            if not left:
                return

    def _ends_alone(self, job: dict[str, Any], road: str) -> bool:
        said = list(self._order({**job, "alone": road}))
        return "end" in said[-1]

    def _order(self, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what the child tells of a job; last, if it ends, ``road`` and ``end``: how it did."""
        if self._child is None or self._taken >= _MOST:
            self._start()
        child = self._child
        assert child is not None
        assert child.stdin is not None
        self._taken += 1
        road = ""
        child.stdin.write(json.dumps(job).encode() + b"\n")
        child.stdin.flush()
        while True:
            line = self._line()
            if line is None or not line:
                yield {"road": road, **self._stop(in_time=line is not None)}
                return
            said = json.loads(line)
            if "done" in said:
                return
            road = said.get("begin", road)
            yield said

    def _line(self) -> bytes | None:
        """Return the child's next line, empty if it has ended, None if it takes too long."""
        assert self._child is not None
        until = time.monotonic() + self._seconds
        while b"\n" not in self._buffer:
            if not self._selector.select(max(0.0, until - time.monotonic())):
                return None
            more = os.read(self._child.stdout.fileno(), 1 << 16)
            if not more:
                return b""
            self._buffer += more
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    def _start(self) -> None:
        self.close()
        self._log.seek(0)
        self._log.truncate()
        self._child = subprocess.Popen(
            [sys.executable, str(_ROADS), str(self._memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "RUST_BACKTRACE": "0"},
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._child.stdout, selectors.EVENT_READ)
        self._buffer = b""
        self._taken, self.started = 0, self.started + 1
        if not self._line():
            msg = f"the child didn't start: {self._tail()}"
            raise RuntimeError(msg)

    def _stop(self, *, in_time: bool) -> dict[str, Any]:
        assert self._child is not None
        if not in_time:
            self._child.kill()
        code = self._child.wait()
        self.close()
        if not in_time:
            return {"end": f"more than {self._seconds} s", "kind": "hangs"}
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return {"end": f"{name}: {self._tail()}", "kind": "crash"}

    def _tail(self) -> str:
        self._log.seek(0)
        lines = self._log.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
        told = [line for line in lines if "panicked" in line or "allocat" in line or "Error" in line]
        return (told or lines or [""])[-1][:200]

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                pipe.close()
            self._selector.close()
            self._child = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        self._log.close()
