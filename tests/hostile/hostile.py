"""Files that want to do harm, through every road of the library: what comes out is Polars', or an error.

``python tests/hostile/hostile.py files FOLDER…`` takes the files of some folders, such as checkouts of
apache/parquet-testing and apache/arrow-testing. ``… mutations --count 5000`` makes small files, damages them
and takes these. Both end with exit code 1 if there is anything that isn't Polars' own doing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mutations import FORMATS, mutations
from workers import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDS = {
    ".parquet": "parquet",
    ".arrow": "ipc",
    ".arrow_file": "ipc",
    ".feather": "ipc",
    ".ipc": "ipc",
    ".stream": "ipc_stream",
    ".arrows": "ipc_stream",
    ".csv": "csv",
    ".tsv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
}
#: What a file without such an end is, by a part of its path.
FOLDERS = {"ipc-stream": "ipc_stream", "ipc-file": "ipc", "parquet": "parquet", "csv": "csv"}
OTHER_ENDS = (
    ".md",
    ".py",
    ".yaml",
    ".gitattributes",
    ".avro",
    ".sh",
    ".proto",
    ".pem",
    ".key",
    ".txt",
    ".data",
)

#: The roads in `roads.py` that there are for each format: Polars has no query of an Arrow stream, and
#: PyArrow's tables are of Arrow files.
ROADS = {
    "parquet": ["eager", "lazy", "stream", "memory", "command"],
    "ipc": ["eager", "lazy", "arrow", "stream", "memory", "command"],
    "ipc_stream": ["eager", "arrow", "stream", "memory", "command"],
    "csv": ["eager", "lazy", "stream", "memory", "command"],
    "ndjson": ["eager", "lazy", "stream", "memory", "command"],
}

#: Verdicts that are a mistake of the library's; and of files that nobody has damaged.
BAD = ("lost", "differs", "other count", "crash", "hangs", "not clear", "otherwise refused")
BAD_OF_WHOLE = (*BAD, "refused alone")


def format_of(path: Path) -> str | None:
    """Return the format of a file by its name, or else by the names of its folders."""
    name = path.name.lower()
    plain = name.removesuffix(".gz").removesuffix(".zst")
    for end, kind in ENDS.items():
        if plain.endswith(end):
            return kind if plain == name or kind in ("csv", "ndjson") else None
    if name.endswith(OTHER_ENDS):
        return None
    return next((kind for part, kind in FOLDERS.items() if part in str(path.parent)), None)


def files(folders: list[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each file with what it is called, and what a worker has to know of it."""
    for folder in folders:
        for path in sorted(folder.rglob("*") if folder.is_dir() else [folder]):
            kind = format_of(path) if path.is_file() else None
            if kind is not None:
                yield str(path), {"path": str(path), "format": kind, "roads": ROADS[kind]}


class Tally:
    """Counts of verdicts by format and road, and the cases that are worth a look."""

    def __init__(self, log: Any, bad: tuple[str, ...]) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.crashes: Counter[str] = Counter()
        self.bad = self.files = 0
        self._log, self._bad = log, bad

    def add(self, label: str, kind: str, said: dict[str, Any]) -> None:
        """Count a verdict."""
        verdict = said["verdict"]
        self.counts[kind, said["road"], verdict] += 1
        self.files += said["road"] == "reference"
        if verdict == "crash upstream":
            self.crashes[f"{kind}: {said['about']}"] += 1
        self.bad += verdict in self._bad
        if verdict in (*BAD_OF_WHOLE, "crash upstream", "not repeated"):
            self._log.write(f"{verdict}: {label} ({kind}, {said['road']}): {said['about']}\n")
            self._log.flush()

    def table(self) -> str:
        """Return the counts as text."""
        lines = [f"{self.files} files"]
        for kind, road in sorted({key[:2] for key in self.counts}):
            found = {v: n for (k, r, v), n in self.counts.items() if (k, r) == (kind, road)}
            lines.append(f"{kind:10} {road:10} " + ", ".join(f"{v} {n}" for v, n in sorted(found.items())))
        lines += [f"upstream, {n} times: {crash}" for crash, n in self.crashes.most_common()]
        return "\n".join([*lines, f"mistakes of the library: {self.bad}"])


def take_files(folders: list[Path], log: Any) -> Tally:
    """Take the files of folders through all roads; each as a copy in a folder of its own."""
    tally = Tally(log, BAD_OF_WHOLE)
    with tempfile.TemporaryDirectory() as place, Worker() as worker:
        for label, job in files(folders):
            copy = Path(place, Path(job["path"]).name.replace("*", "_"))
            shutil.copyfile(job["path"], copy)
            for said in worker.take({**job, "path": str(copy)}):
                tally.add(label, job["format"], said)
            copy.unlink()
    return tally


def take_mutations(
    count: int, seed: int, log: Any, formats: tuple[str, ...] = FORMATS, keep: Path | None = None
) -> Tally:
    """Take ``count`` damaged files of each format through all roads."""
    tally = Tally(log, BAD)
    with tempfile.TemporaryDirectory() as place, Worker() as worker:
        for mutation in mutations(count, seed, formats):
            path = Path(place, f"mutated{mutation.end}")
            path.unlink(missing_ok=True)  # the child may have mapped the one before: it isn't to be cut
            path.write_bytes(mutation.content)
            job = {
                "path": str(path),
                "format": mutation.format,
                "roads": ROADS[mutation.format],
                "rows": mutation.rows,
            }
            bad = tally.bad
            for said in [*worker.take(job)]:
                tally.add(mutation.label, mutation.format, sure(said, job, worker))
            if keep is not None and tally.bad > bad:
                shutil.copyfile(path, keep / f"{mutation.label}{mutation.end}")
    return tally


def sure(said: dict[str, Any], job: dict[str, Any], worker: Worker) -> dict[str, Any]:
    """Return what was said of a road; of a mistake, what a child says that has taken no file before.

    What Polars leaks in panics may have filled the memory of a child that has taken many.
    """
    if said["verdict"] not in BAD:
        return said
    worker.close()
    (again,) = [each for each in worker.take(job) if each["road"] == said["road"]]
    if again["verdict"] in BAD:
        return again
    return {**again, "verdict": "not repeated", "about": f"{said['verdict']}: {said['about']}"}


def main() -> int:
    """Run a command; return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("files", help="take the files of folders")
    one.add_argument("folders", nargs="+", type=Path)
    two = commands.add_parser("mutations", help="make files, damage them, and take these")
    two.add_argument("--count", type=int, default=5000, help="of each format")
    two.add_argument("--seed", type=int, default=int(date.today().strftime("%Y%m%d")))
    two.add_argument("--format", action="append", choices=FORMATS)
    two.add_argument("--keep", type=Path, help="a folder for the files over which the library failed")
    options = parser.parse_args()
    if options.command == "files":
        tally = take_files(options.folders, sys.stdout)
    else:
        sys.stdout.write(f"seed {options.seed}\n")
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
        chosen = tuple(options.format or FORMATS)
        tally = take_mutations(options.count, options.seed, sys.stdout, chosen, options.keep)
    sys.stdout.write(tally.table() + "\n")
    return int(tally.bad > 0)


if __name__ == "__main__":
    sys.exit(main())
