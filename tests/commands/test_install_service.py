import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_infer.boards.errors import BoardError
from edge_infer.commands.install_service import FILES, installation, removal, unit_text
from edge_infer.commands.install_steps import (
    CheckReachable,
    Remove,
    ResetRights,
    Run,
    WriteFile,
    perform,
)
from edge_infer.commands.root import run_line

TMPFILES = Path(__file__).parents[2] / "boards/system/edge-infer.tmpfiles"


def test_a_dry_run_prints_every_file_and_command_and_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: Path("/", path).exists() for path in FILES.values()}
    assert run_line(["install-service", "--dry-run"]) == 0
    text = capsys.readouterr().out
    for path in FILES.values():
        assert f"write /{path}:" in text
        assert Path("/", path).exists() == before[path]
    assert "run systemd-tmpfiles --create edge-infer.conf" in text
    assert text.endswith("nothing was done\n")


def test_what_is_installed_is_removed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert run_line(["install-service", "--root", str(tmp_path)]) == 0
    written = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert written == set(FILES.values())
    (tmp_path / "var/lib/edge-infer/slots").mkdir(parents=True)
    for _ in range(2):
        assert run_line(["install-service", "--uninstall", "--root", str(tmp_path)]) == 0
        assert [p for p in tmp_path.rglob("*edge-infer*") if p != tmp_path] == []
    capsys.readouterr()


def test_the_removal_covers_every_step_of_the_installation() -> None:
    written = {step.path for step in installation() if isinstance(step, WriteFile)}
    removed = {step.path for step in removal() if isinstance(step, Remove)}
    assert written <= removed
    assert {Path("/", name) / "edge-infer" for name in ("run", "var/lib", "var/cache")} <= removed
    undone = [step.words for step in removal() if isinstance(step, Run)]
    assert ("systemctl", "disable", "--now", "edge-infer.service") in undone
    assert ("userdel", "edge-infer") in undone


def test_without_root_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run_line(["install-service"]) == 1


def test_a_step_that_fails_ends_it_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "file").write_text("")
    later = tmp_path / "later"
    with pytest.raises(Exception, match=r"Not a directory|File exists"):
        perform([WriteFile(tmp_path / "file" / "x", ""), WriteFile(later, "")])
    with pytest.raises(Exception, match="false failed"):
        perform([Run(("false",)), WriteFile(later, "")])
    assert not later.exists()
    perform([Run(("false",), may_fail=True), Run(("no-such-command",), may_fail=True)])


def test_a_python_that_others_cannot_reach_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    assert isinstance(installation()[0], CheckReachable)
    program = tmp_path / "closed" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.touch()
    for closed in (0o700, 0o750):
        program.parents[1].chmod(closed)
        with pytest.raises(BoardError, match=f"{program.parents[1]} is closed to others"):
            CheckReachable(program).do()
    CheckReachable(Path("/bin/sh")).do()


def test_removal_gives_the_clock_back_to_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners: list[tuple[Path, int, int]] = []
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: owners.append((path, uid, gid)))
    files = [tmp_path / f"policy{n}/scaling_governor" for n in (0, 4)]
    for file in files:
        file.parent.mkdir()
        file.touch(mode=0o664)
    ResetRights(tmp_path, "policy*/scaling_governor").do()
    assert sorted(owners) == [(file, 0, 0) for file in files]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o644}
    resets = [step for step in removal() if isinstance(step, ResetRights)]
    changed = [line.split()[1] for line in TMPFILES.read_text().splitlines() if "/sys/" in line]
    assert [str(step.root / step.pattern) for step in resets] == changed


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze not found")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = next(s for s in installation(tmp_path) if s.path.suffix == ".service")  # type: ignore[attr-defined]
    assert isinstance(unit, WriteFile)
    path = tmp_path / unit.path.name
    path.write_text(unit.text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    for line in ("User=edge-infer", "WatchdogSec=30s", "ExecStopPost=", "SupplementaryGroups=i2c"):
        assert line in unit.text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze not found")
def test_the_unit_leaves_little_open(tmp_path: Path) -> None:
    unit = tmp_path / "edge-infer.service"
    unit.write_text(unit_text(unit.name))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze security --offline came with systemd 250")
    assert done.returncode == 0, done.stdout.splitlines()[-1]
