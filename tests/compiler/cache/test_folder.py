"""The folder: whole files or none, nobody else's, not too many, and never a reason to fail."""

from __future__ import annotations

import errno
import os
import time
import warnings

import pytest

from dataflare_vec.compiler.cache import folder as room
from dataflare_vec.compiler.cache.folder import CacheWarning, Folder, open_folder

A, B = f"{'a' * 64}.kernel", f"{'b' * 64}.110.loop"


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o700)
    return Folder(tmp_path)


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Open a folder as a new process would."""
    room._open.cache_clear()
    monkeypatch.setattr(room, "_warned", [])

    def open_(path=tmp_path / "new" / "cache", **variables):
        monkeypatch.setenv("DATAFLARE_VEC_CACHE_DIR", str(path))
        for name, value in variables.items():
            monkeypatch.setenv(f"DATAFLARE_VEC_CACHE{name}", value)
        return open_folder()

    yield open_
    room._open.cache_clear()


def test_what_is_written_is_read(folder):
    assert folder.read(A) is None
    assert folder.write(A, b"one")
    assert folder.write(A, b"two")
    assert folder.read(A) == b"two"
    assert [file.path.name for file in folder.files()] == [A]
    assert (folder.path / A).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data + b"x",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:20] + bytes([data[20] ^ 0x80]) + data[21:],
        lambda data: os.urandom(len(data)),
    ],
)
def test_a_damaged_file_is_noticed_and_goes(folder, damage, caplog):
    caplog.set_level("DEBUG", "dataflare_vec")
    folder.write(A, b"content" * 20)
    path = folder.path / A
    path.write_bytes(damage(path.read_bytes()))
    assert folder.read(A) is None
    assert "is damaged: it is compiled again" in caplog.text
    assert not path.exists()


def test_a_file_under_another_name_is_noticed(folder):
    folder.write(A, b"content")
    (folder.path / A).rename(folder.path / B)
    assert folder.read(B) is None


def test_the_size_is_bounded_and_the_last_used_stay(tmp_path):
    folder = Folder(tmp_path, max_bytes=10_000)
    now = time.time()
    names = [f"{i:064x}.kernel" for i in range(8)]
    for i, name in enumerate(names):
        folder.write(name, bytes(2_000))
        os.utime(tmp_path / name, (now - 100 + i, now - 100 + i))
        folder.read(names[0])  # used all the time
        assert sum(file.size for file in folder.files()) <= 10_000
    assert sorted(file.path.name for file in folder.files()) == [names[0], *names[5:]]


def test_left_overs_of_crashes_go(folder):
    old, new = folder.path / ".dataflare-vec-new-01", folder.path / ".dataflare-vec-new-02"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    folder.write(A, b"content")
    assert not old.exists()
    assert new.exists()
    assert folder.clear() > 0
    assert not list(folder.files())


def test_a_new_folder_is_the_users_alone(opened):
    folder = opened()
    assert folder is not None
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert open_folder() is folder


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o701])
def test_a_folder_that_others_may_only_read_is_taken(opened, tmp_path, mode):
    tmp_path.chmod(mode)  # as `mkdir` makes them; the files are the user's alone
    assert opened(tmp_path) is not None


@pytest.mark.parametrize("mode", [0o720, 0o770, 0o777, 0o702])
def test_a_folder_that_others_may_write_to_is_refused_with_one_warning(opened, tmp_path, mode):
    tmp_path.chmod(mode)
    with pytest.warns(
        CacheWarning, match=r"can be written to by others \(mode 7.., expected 700\).*DATAFLARE_VEC_CACHE=0"
    ):
        assert opened(tmp_path) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert opened(tmp_path) is None


def test_somebody_elses_folder_is_refused(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.warns(CacheWarning, match="belongs to another user"):
        assert opened(tmp_path) is None


def test_a_link_to_a_folder_is_refused(opened, tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.warns(CacheWarning, match="is not a folder"):
        assert opened(tmp_path / "link") is None


def test_a_folder_that_cannot_be_made_is_said_once(opened, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(CacheWarning, match="can't be made"):
        assert opened(tmp_path / "file" / "cache") is None


@pytest.mark.parametrize("value", ["0", "off", "False", "no"])
def test_the_cache_can_be_turned_off(opened, value):
    assert opened(**{"": value}) is None


def test_its_size_can_be_set(opened):
    assert opened(_MAX_BYTES="4096").max_bytes == 4096
    with pytest.warns(CacheWarning, match="must be an integer number of bytes, got 'big'"):
        assert opened(_MAX_BYTES="big") is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_what_cannot_be_written_is_said_once_and_leaves_nothing(opened, monkeypatch, code):
    folder = opened()

    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.warns(CacheWarning, match=os.strerror(code)):
        assert not folder.write(A, b"content")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not folder.write(A, b"content")
    assert not list(folder.files())


def test_no_temporary_file_can_be_made(opened, monkeypatch):
    folder = opened()

    def fail(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", fail)
    with pytest.warns(CacheWarning, match="Read-only file system"):
        assert not folder.write(A, b"content")


def test_a_folder_that_vanishes_is_empty(folder):
    folder.path.rmdir()
    assert folder.read(A) is None
    assert not list(folder.files())
    assert folder.clear() == 0


FOREIGN = ["report.pdf", "a.kernel", ".new-draft", "c" * 64, "notes.loop", "A" * 64 + ".kernel"]


def test_what_is_not_ours_is_neither_counted_nor_removed(folder):
    """The folder that a variable names may hold somebody's documents."""
    folder.max_bytes = 100
    for name in FOREIGN:
        (folder.path / name).write_bytes(bytes(1_000))
    os.utime(folder.path / FOREIGN[0], (0, 0))
    assert folder.write(A, b"content")
    assert folder.write(B, b"content")
    assert {file.path.name for file in folder.files()} <= {A, B}
    folder.clear()
    assert sorted(os.listdir(folder.path)) == sorted(FOREIGN)


def test_a_folder_that_is_put_in_its_place_is_not_read(folder, tmp_path):
    """Who may rename a folder above ours could put one of his there, in the middle of a process."""
    folder = Folder(tmp_path / "cache")
    folder.path.mkdir(mode=0o700)
    folder.write(A, b"content")
    folder.path.rename(tmp_path / "moved")
    (tmp_path / "cache").mkdir(mode=0o777)
    (tmp_path / "cache").chmod(0o777)
    (tmp_path / "cache" / A).write_bytes((tmp_path / "moved" / A).read_bytes())
    assert folder.read(A) is None
    assert not folder.files()
    (tmp_path / "cache" / A).unlink()
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").symlink_to(tmp_path / "moved")
    assert folder.read(A) is None


def test_a_file_that_is_a_link_is_not_read(folder, tmp_path):
    folder.write(A, b"content")
    (folder.path / A).rename(folder.path / "elsewhere")
    (folder.path / A).symlink_to(folder.path / "elsewhere")
    assert folder.read(A) is None


def test_folders_above_are_made_for_the_user_alone(opened, tmp_path):
    before = os.umask(0)
    try:
        assert opened(tmp_path / "x" / "y" / "cache") is not None
    finally:
        os.umask(before)
    for path in (tmp_path / "x", tmp_path / "x" / "y", tmp_path / "x" / "y" / "cache"):
        assert path.stat().st_mode & 0o777 == 0o700
