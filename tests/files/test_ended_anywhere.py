"""Ctrl-C and SIGTERM come between any two steps: what is there is whole, and nothing is left beside it."""

from __future__ import annotations

import os

import pytest

from dataflare_vec.files.atomic_write import atomic_file, atomic_folder, write_text, write_texts

#: Calls that make, rename, sync or remove something.
STEPS = ("open", "fsync", "replace", "rename", "mkdir", "unlink", "rmdir")


def write_file(path) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text("new")


def write_folder(path) -> None:
    with atomic_folder(path) as temporary:
        for name in ("x", "y"):
            (temporary / name).write_text("new")


def write_one_text(path) -> None:
    write_text(path, "new")


def write_two_texts(path) -> None:
    write_texts(path, {"x": "new", "y": "new"})


def content(path) -> set[str] | None:
    """Return the different texts there are."""
    if not path.exists():
        return None
    return {each.read_text() for each in ([path] if path.is_file() else path.iterdir())}


def ended_at(step: int, patch, work) -> bool:
    """Do some work, and raise at a step of it: even ones are before a call, odd ones after it."""
    moments = -1

    def moment() -> None:
        nonlocal moments
        moments += 1
        if moments == step:
            raise KeyboardInterrupt

    def watched(call):
        def stepped(*arguments, **options):
            moment()
            result = call(*arguments, **options)
            moment()
            return result

        return stepped

    with patch.context() as during:
        for name in STEPS:
            during.setattr(os, name, watched(getattr(os, name)))
        try:
            work()
        except KeyboardInterrupt:
            return True
    return False


@pytest.mark.parametrize("there", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize("write", [write_file, write_folder, write_one_text, write_two_texts])
def test_at_each_step(write, there, tmp_path, monkeypatch):
    path, step, is_ended = tmp_path / "a", 0, True
    if there:
        write(path)
    while is_ended:
        for each in [path] if path.is_file() else path.iterdir() if there else []:
            each.write_text("old")
        is_ended = ended_at(step, monkeypatch, lambda: write(path))
        assert content(path) in ([{"new"}] if not is_ended else [{"old"} if there else None, {"new"}])
        assert [name for name in os.listdir(tmp_path) if name != "a"] == [], f"at step {step}"
        if not there and path.exists():
            for each in [path] if path.is_file() else list(path.iterdir()):
                each.unlink()
            if path.exists():
                path.rmdir()
        step += 1
    assert step > 10
