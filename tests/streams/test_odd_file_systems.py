"""What some file systems can't do is done without; a real error is said, and leaves what was there."""

from __future__ import annotations

import errno
import os
import shutil

import pytest
from samples import SHARE, ordered, rows

import dataflare_vec as dfv
from dataflare_vec.files import atomic_write, file_systems
from dataflare_vec.files.atomic_write import atomic_file, atomic_folder

UNSUPPORTED = ["EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]
FULL = ["ENOSPC", "EDQUOT", "EROFS", "EIO"]


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failing(code: str):
    def fail(*_args, **_kwargs):
        number = getattr(errno, code)
        raise OSError(number, os.strerror(number))

    return fail


def write_both(folder) -> None:
    with atomic_file(folder / "a") as temporary:
        temporary.write_text("new")
    for content in ("old", "new"):
        with atomic_folder(folder / "b") as temporary:
            (temporary / "x").write_text(content)
    assert (folder / "a").read_text() == (folder / "b" / "x").read_text() == "new"
    assert names(folder) == ["a", "b"]


@pytest.mark.parametrize("code", [*UNSUPPORTED, "ENOLCK", "EBADF"])
def test_without_locks(code, monkeypatch, tmp_path):
    monkeypatch.setattr(file_systems.fcntl, "flock", failing(code))
    write_both(tmp_path)


def test_without_any_of_posix(monkeypatch, tmp_path):
    """As on Windows, where no folder can be opened, nor what is open be renamed."""
    monkeypatch.setattr(file_systems, "fcntl", None)
    monkeypatch.setattr(file_systems, "_exchange", lambda: None)

    class Windows:
        def __getattr__(self, name):
            return getattr(os, name)

        def open(self, path, flags):
            if os.path.isdir(path):
                raise PermissionError(errno.EACCES, "Permission denied")
            return os.open(path, flags)

    monkeypatch.setattr(file_systems, "os", Windows())
    write_both(tmp_path)


def test_what_can_t_be_told_to_be_dead_stays(monkeypatch, tmp_path):
    """Where it has no lock, it isn't taken for a dead run's: neither there nor by a host that has locks."""
    with atomic_file(tmp_path / "a") as locked:
        monkeypatch.setattr(file_systems.fcntl, "flock", failing("ENOLCK"))
        atomic_write.clean_up(tmp_path / "a")
        assert locked.exists()
        with atomic_file(tmp_path / "a") as unlocked:
            unlocked.write_text("mine")
            monkeypatch.undo()
            atomic_write.clean_up(tmp_path / "a")
            assert unlocked.exists()
        locked.write_text("last")
    assert (tmp_path / "a").read_text() == "last"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("code", UNSUPPORTED)
def test_without_sync(code, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "fsync", failing(code))
    write_both(tmp_path)


@pytest.mark.parametrize("code", FULL)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_error_at_the_end_leaves_the_old(call, code, monkeypatch, tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    monkeypatch.setattr(os, call, failing(code))
    why = os.strerror(getattr(errno, code))
    with (
        pytest.raises(dfv.SinkError, match=f"can't write `{target}`: {why}"),
        atomic_file(target) as temporary,
    ):
        temporary.write_text("new")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("code", FULL)
def test_a_folder_whose_second_step_fails_gets_its_old_name_back(code, monkeypatch, tmp_path):
    target = tmp_path / "a"
    with atomic_folder(target) as temporary:
        (temporary / "x").write_text("old")
    renamed, rename = [], os.rename

    def only_once(source, to):
        renamed.append(source)
        if len(renamed) == 3:  # the new one, in vain as there is an old one; the old one; the new one again
            failing(code)()
        rename(source, to)

    monkeypatch.setattr(os, "rename", only_once)
    monkeypatch.setattr(file_systems, "_exchange", lambda: None)
    with pytest.raises(dfv.SinkError, match="can't write"), atomic_folder(target) as temporary:
        (temporary / "x").write_text("new")
    assert (target / "x").read_text() == "old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("code", ["EXDEV", "EBUSY", "EPERM", "EROFS"])
def test_a_folder_that_can_t_be_renamed_stays(code, monkeypatch, tmp_path):
    target = tmp_path / "a"
    with atomic_folder(target) as temporary:
        (temporary / "x").write_text("old")
    monkeypatch.setattr(os, "rename", failing(code))
    monkeypatch.setattr(file_systems, "_exchange", lambda: None)
    why = os.strerror(getattr(errno, code))
    with (
        pytest.raises(dfv.SinkError, match=f"can't write `{target}`: {why}"),
        atomic_folder(target) as temporary,
    ):
        (temporary / "x").write_text("new")
    assert (target / "x").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_what_can_t_be_removed_hides_no_error(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "unlink", failing("EROFS"))
    with pytest.raises(ZeroDivisionError), atomic_file(tmp_path / "a") as temporary:
        temporary.write_text(str(1 // 0))


def test_places_that_can_t_be_replaced_are_refused_at_once(monkeypatch, tmp_path):
    (tmp_path / "a").write_text("mine")
    rows(1, 50).write_parquet(tmp_path / "in.parquet")
    with pytest.raises(dfv.SinkError, match=r"can't write `.*a`: a folder is to be written there, but it is"):
        dfv.stream(tmp_path / "in.parquet", SHARE).write(tmp_path / "a", partition_by="s", overwrite=True)
    assert (tmp_path / "a").read_text() == "mine"
    (tmp_path / "b").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path / "b")
    with pytest.raises(dfv.SinkError, match=r"can't write `.*b`: a file system is mounted there"):
        dfv.stream(tmp_path / "in.parquet", SHARE).write(tmp_path / "b", partition_by="s")


def test_partitions_on_the_poorest_file_system(monkeypatch, tmp_path):
    monkeypatch.setattr(file_systems.fcntl, "flock", failing("ENOLCK"))
    monkeypatch.setattr(os, "fsync", failing("EINVAL"))
    monkeypatch.setattr(file_systems, "_exchange", lambda: None)
    rows(1, 50).write_parquet(tmp_path / "in.parquet")
    for overwrite in (False, True):
        stream = dfv.stream(tmp_path / "in.parquet", SHARE)
        stream.write(tmp_path / "out", partition_by="s", overwrite=overwrite)
        assert len(ordered(tmp_path / "out")) == 7
    stream = dfv.stream(tmp_path / "in.parquet", SHARE, on_error="null")
    stream.write(tmp_path / "out.csv", errors=tmp_path / "failed.csv")
    assert names(tmp_path) == ["failed.csv", "in.parquet", "out", "out.csv"]


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may read anything")
def test_a_folder_that_may_be_written_but_not_read(tmp_path):
    folder = tmp_path / "blind"
    folder.mkdir()
    folder.chmod(0o300)
    try:
        with atomic_file(folder / "a") as temporary:
            temporary.write_text("new")
    finally:
        folder.chmod(0o700)
    assert names(folder) == ["a"]
    shutil.rmtree(folder)
