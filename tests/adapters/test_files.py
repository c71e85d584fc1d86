"""Folders on disk: what is scanned, and feed files that are never half-written."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feed_publisher.adapters.files import MAX_NAME, DiskSources, PublicFolder, private_folder
from feed_publisher.domain.errors import StorageError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def put(path: Path, text: str = "x", age: float = 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    stamp = NOW.timestamp() - age
    os.utime(path, (stamp, stamp))
    return path


def test_scan_finds_files_below_in_order_and_names_what_it_cannot_read(tmp_path: Path) -> None:
    for name in ("b.txt", "a.md", "deep/er/c.json", ".hidden.txt", "b.txt~", "x.txt.swp"):
        put(tmp_path / "entries" / name)
    put(tmp_path / "entries" / "picture.png")
    found, problems = DiskSources(tmp_path, frozenset({".txt", ".md", ".json"})).scan("entries", NOW)
    assert [file.name for file in found] == ["a.md", "b.txt", "deep/er/c.json"]
    assert all(file.settled for file in found)
    assert [problem.where for problem in problems] == [str(tmp_path / "entries" / "picture.png")]
    assert "rename it or move it away" in problems[0].reason


@pytest.mark.parametrize(
    ("age", "settled"), [(0.0, False), (0.2, False), (0.31, True), (-30.0, False), (-3600.0, True)]
)
def test_a_file_somebody_may_be_writing_is_not_settled(tmp_path: Path, age: float, settled: bool) -> None:
    put(tmp_path / "entries" / "a.txt", age=age)
    found, _ = DiskSources(tmp_path, frozenset({".txt"})).scan("entries", NOW)
    assert found[0].settled is settled


def test_a_changed_file_has_another_fingerprint_even_with_the_same_size(tmp_path: Path) -> None:
    sources = DiskSources(tmp_path, frozenset({".txt"}))
    put(tmp_path / "entries" / "a.txt", "one", age=60)
    before = sources.scan("entries", NOW)[0][0].fingerprint
    put(tmp_path / "entries" / "a.txt", "two", age=59)
    assert sources.scan("entries", NOW)[0][0].fingerprint != before


def test_a_missing_folder_and_a_name_too_long_are_problems(tmp_path: Path) -> None:
    sources = DiskSources(tmp_path, frozenset({".txt"}))
    _, problems = sources.scan("nowhere", NOW)
    assert "no such file or folder" in problems[0].reason
    deep = tmp_path / "entries" / ("d" * 200) / ("e" * 200) / ("f" * 200)
    put(deep / "a.txt")
    found, problems = sources.scan("entries", NOW)
    assert found == []
    assert str(MAX_NAME) in problems[0].reason


def test_one_bad_name_stops_no_other(tmp_path: Path) -> None:
    entries = tmp_path / "entries"
    for name in ("a.txt", "sub/b.txt", "z.txt"):
        put(entries / name)
    put(tmp_path / "elsewhere" / "c.txt")
    (entries / "loop.txt").symlink_to("loop.txt")
    (entries / "gone.txt").symlink_to("nowhere.txt")
    (entries / "linked").symlink_to(tmp_path / "elsewhere")
    (entries / "file.txt").symlink_to(tmp_path / "elsewhere" / "c.txt")
    os.mkfifo(entries / "pipe.txt")
    for name in (b"\xff.txt", b"sub/\xfe"):
        os.mkdir(os.fsencode(entries) + b"/" + name)
    with open(os.fsencode(entries) + b"/\xfd.txt", "w") as file:
        file.write("x")
    found, problems = DiskSources(tmp_path, frozenset({".txt"})).scan("entries", NOW)
    assert [file.name for file in found] == ["a.txt", "file.txt", "sub/b.txt", "z.txt"]
    reasons = {problem.where.removeprefix(f"{entries}/"): problem.reason for problem in problems}
    assert set(reasons) == {"loop.txt", "gone.txt", "linked", "pipe.txt", r"\xff.txt", r"sub/\xfe", r"\xfd.txt"}
    assert "symbolic links" in reasons["loop.txt"]
    assert "the file it links to is not there" in reasons["gone.txt"]
    assert "linked folders are not followed" in reasons["linked"]
    assert "neither a file nor a folder" in reasons["pipe.txt"]
    assert "not valid UTF-8" in reasons[r"\xff.txt"]


def test_a_location_that_is_not_text_is_a_problem(tmp_path: Path) -> None:
    found, [problem] = DiskSources(tmp_path, frozenset({".txt"})).scan("no\udcff", NOW)
    assert (found, problem.where) == ([], str(tmp_path / r"no\xff"))


def test_private_folders_are_ours_alone_and_existing_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir(mode=0o755)
    private_folder(tmp_path / "old" / "a" / "b")
    private_folder(tmp_path / "old" / "a" / "b")
    modes = [(tmp_path / "old" / name).stat().st_mode & 0o777 for name in ("", "a", "a/b")]
    assert modes == [0o755, 0o700, 0o700]


def test_feed_files_are_replaced_whole_with_the_given_time(tmp_path: Path) -> None:
    public = PublicFolder(tmp_path)
    public.write("feeds/a.atom", b"one", NOW)
    first = os.stat(tmp_path / "feeds/a.atom")
    assert first.st_mtime == NOW.timestamp()
    assert public.matches("feeds/a.atom", b"one")
    assert not public.matches("feeds/a.atom", b"two")
    public.write("feeds/a.atom", b"two", NOW + timedelta(seconds=1))
    second = os.stat(tmp_path / "feeds/a.atom")
    assert second.st_ino != first.st_ino, "a reader that has the old file open keeps reading the old file"
    assert sorted(path.name for path in (tmp_path / "feeds").iterdir()) == ["a.atom"]


def test_a_feed_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "feeds").write_text("a file stands where the folder should be")
    with pytest.raises(StorageError, match="cannot be written"):
        PublicFolder(tmp_path).write("feeds/a.atom", b"one", NOW)


def test_a_feed_that_is_out_can_be_read(tmp_path: Path) -> None:
    public = PublicFolder(tmp_path)
    public.write("feeds/a.atom", b"one", NOW)
    assert public.read("feeds/a.atom") == b"one"
    with pytest.raises(StorageError, match=r"b\.atom: cannot be read.*publish --all"):
        public.read("feeds/b.atom")
