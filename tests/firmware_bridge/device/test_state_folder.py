"""The state folder: one agent, its owner alone, and a name for the board."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge_infer.firmware_bridge.device.state_folder import StateFolder


def test_a_second_agent_says_who_holds_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from edge_infer.firmware_bridge.device.state_folder import StateFolder\n"
        "folder = StateFolder(Path(sys.argv[1])); print('mine', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"mine\n"
        with pytest.raises(OSError, match=f"process {other.pid} .* uses it already"):
            StateFolder(tmp_path)
        other.kill()
        other.wait()
        StateFolder(tmp_path).close()


def test_it_is_closed_to_others_whatever_it_was(tmp_path: Path) -> None:
    slots = tmp_path / "slots"
    slots.mkdir()
    (slots / "state-1").write_bytes(b"")
    for path, mode in ((tmp_path, 0o2775), (slots, 0o777), (slots / "state-1", 0o664)):
        path.chmod(mode)
    previous = os.umask(0)
    try:
        StateFolder(tmp_path).close()
    finally:
        os.umask(previous)
    for path in (tmp_path, *tmp_path.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_the_board_keeps_its_name_until_that_is_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = []
    for damage in (False, False, True, False):
        if damage:
            (tmp_path / "board-id").write_bytes(b"?")
        folder = StateFolder(tmp_path)
        folder.close()
        folder.close()
        names.append(folder.board_id)
    assert names[0] == names[1] != names[2] == names[3]
    assert "board-id" in caplog.text


def test_what_has_a_files_name_and_is_none_is_removed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log-ends")
    (tmp_path / "board-id" / "inner").mkdir(parents=True)
    folder = StateFolder(tmp_path)
    assert not folder.file("log-ends").exists() and (tmp_path / "board-id").is_file()
    folder.close()


def test_a_folder_of_other_things_too_stays_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mine.txt").write_bytes(b"")
    tmp_path.chmod(0o1777)
    StateFolder(tmp_path).close()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777
    assert stat.S_IMODE((tmp_path / "slots").stat().st_mode) == 0o700
    assert "others can write" in caplog.text
