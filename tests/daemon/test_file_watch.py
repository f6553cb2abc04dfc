from __future__ import annotations

import os
from pathlib import Path

import pytest

from rotator.daemon.file_watch import FileWatch


def swap(volume: Path, generation: str, files: dict[str, str]) -> None:
    """Replace the content as kubelet does: a new folder, then one symbolic link turned over to it."""
    (volume / generation).mkdir(parents=True)
    for name, text in files.items():
        (volume / generation / name).write_text(text)
        link = volume / name
        if not link.is_symlink():
            link.symlink_to(Path("..data") / name)
    (volume / "..data_tmp").symlink_to(generation)
    (volume / "..data_tmp").rename(volume / "..data")


def test_a_file_that_is_left_alone_is_no_change(tmp_path: Path) -> None:
    (file := tmp_path / "a").write_text("1")
    watched = FileWatch([file])
    assert (watched.changes().changed, watched.changes().changed) == (frozenset(), frozenset())


def test_an_edit_in_place_is_seen_and_steady_at_the_second_look(tmp_path: Path) -> None:
    (file := tmp_path / "a").write_text("1")
    watched = FileWatch([file])
    file.write_text("2")
    first, second = watched.changes(), watched.changes()
    assert (first.changed, first.steady) == ({file}, False)
    assert (second.changed, second.steady) == ({file}, True)


def test_a_file_that_is_still_being_written_is_not_steady(tmp_path: Path) -> None:
    (file := tmp_path / "a").write_text("1")
    watched = FileWatch([file])
    for half in ("2", "23", "234"):
        file.write_text(half)
        assert not watched.changes().steady
    assert watched.changes().steady


def test_an_edit_that_keeps_size_and_time_is_not_taken_for_steady(tmp_path: Path) -> None:
    (file := tmp_path / "a").write_text("1")
    watched = FileWatch([file])
    file.write_text("2")
    at = file.stat()
    watched.changes()
    file.write_text("3")
    os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert not watched.changes().steady


def test_a_volume_that_is_swapped_by_a_link_is_seen(tmp_path: Path) -> None:
    swap(tmp_path, "..1", {"a": "1", "b": "same"})
    watched = FileWatch([tmp_path / "a", tmp_path / "b"])
    swap(tmp_path, "..2", {"a": "2", "b": "same"})
    assert watched.changes().changed == {tmp_path / "a"}


def test_an_edit_behind_a_link_is_seen(tmp_path: Path) -> None:
    (file := tmp_path / "a").write_text("1")
    (link := tmp_path / "link").symlink_to(file)
    watched = FileWatch([link])
    file.write_text("22")
    assert watched.changes().changed == {link}


def test_the_same_content_in_another_place_is_no_change(tmp_path: Path) -> None:
    swap(tmp_path, "..1", {"a": "1"})
    watched = FileWatch([tmp_path / "a"])
    swap(tmp_path, "..2", {"a": "1"})
    assert watched.changes().changed == frozenset()


def test_what_was_accepted_is_no_change_any_more(tmp_path: Path) -> None:
    (file := tmp_path / "a").write_text("1")
    watched = FileWatch([file])
    file.write_text("2")
    watched.changes()
    watched.accept()
    assert watched.changes().changed == frozenset()


@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_goes_or_comes_is_a_change(tmp_path: Path, there: bool) -> None:
    file = tmp_path / "a"
    if there:
        file.write_text("1")
    watched = FileWatch([file])
    file.unlink() if there else file.write_text("1")
    assert watched.changes().changed == {file}


def test_a_file_that_is_watched_from_now_on_is_accepted_as_it_is(tmp_path: Path) -> None:
    (old := tmp_path / "a").write_text("1")
    (new := tmp_path / "b").write_text("1")
    watched = FileWatch([old])
    old.write_text("2")
    watched.follow([old, new])
    assert watched.changes().changed == {old}
    watched.follow([new])
    assert watched.changes().changed == frozenset()


def test_nothing_of_the_content_is_kept(tmp_path: Path) -> None:
    (file := tmp_path / "a").write_text("the secret of all secrets")
    watched = FileWatch([file])
    assert "secret of" not in repr(vars(watched)) + repr(watched.accepted)
