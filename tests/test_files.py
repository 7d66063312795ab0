"""Results are whole or not there; logs are whole rows."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_infer.files import RowFile, whole_file, write_whole


def full_after(count: int) -> Callable[[int, bytes], int]:
    """A disk that takes so many bytes and then no more."""
    write, left = os.write, [count]

    def writing(descriptor: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = write(descriptor, data[: left[0]])
        left[0] -= done
        return done

    return writing


def test_a_result_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with whole_file(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o111 == 0
    path.chmod(0o640)
    write_whole(path, "newer")
    assert path.read_text() == "newer" and path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(ValueError, match="no"), whole_file(path) as file:
        file.write(b"half")
        raise ValueError("no")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileExistsError) as caught, whole_file(path, replace=False):
        pass
    assert caught.value.filename == str(path)
    with pytest.raises(FileNotFoundError, match="cannot be written") as lost:
        write_whole(tmp_path / "missing" / "x", b"")
    assert lost.value.filename == str(tmp_path / "missing" / "x")


def test_links_and_devices_are_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "x")
    write_whole(tmp_path / "link", b"1")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "x").read_bytes() == b"1"
    write_whole(Path(os.devnull), b"1")
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize("room", range(40))
def test_a_full_disk_leaves_whole_rows(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{'x' * n}\n" for n in range(10)]
    path = tmp_path / "log"
    file = RowFile(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_after(room))
        with pytest.raises(OSError, match="cannot be written: No space left") as caught:
            for row in rows:
                file.write(row)
            file.flush()
    assert caught.value.filename == str(path)
    file.write("later\n")
    file.close()
    left = path.read_text()
    whole = "".join(rows)[:room]
    assert left == whole[: whole.rfind("\n") + 1]


def test_rows_do_not_wait_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr("edge_infer.files.time.monotonic", lambda: now_s[0])
    path = tmp_path / "log"
    with RowFile(path) as file:
        file.write("1\n")
        assert path.read_text() == "1\n"  # the first at once
        file.write("2\n")
        file.flush_due()
        assert path.read_text() == "1\n"
        now_s[0] += 0.6
        file.flush_due()
        assert path.read_text() == "1\n2\n"
