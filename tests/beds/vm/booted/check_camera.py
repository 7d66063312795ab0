"""The camera service beside `serve`: README's commands, a camera that a script plays, mosquitto."""

import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.beds.vm.booted.check_systemd import left_files
from tests.beds.vm.guest.machine import appears, command

NAME, BUNDLE = "door", "digits-early-exit"
UNIT = f"edge-infer-{NAME}.service"
ROWS = Path(f"/var/lib/edge-infer-{NAME}/rows.jsonl")
SETTINGS = Path(f"/etc/edge-infer/{NAME}")
CAMERA = Path("/usr/local/bin/rpicam-vid")
CAMERA_SCRIPT = """#!/bin/sh
# Two black pictures a second, of the size that is asked for, rows padded as the real one does.
while [ $# -gt 1 ]; do
    case $1 in --width) width=$2 ;; --height) height=$2 ;; esac
    shift
done
while head -c $(((width + 63) / 64 * 64 * height * 3 / 2)) /dev/zero; do sleep 0.5; done
"""
BROKER = Path("/run/broker")
BROKER_SETTINGS = f"""listener 1883 127.0.0.1
allow_anonymous false
password_file {BROKER}/users
user root
persistence true
persistence_location {BROKER}/
log_type none
"""
PASSWORD = Path("/root/password")
TOPIC = "home/door"

brokers: list["subprocess.Popen[bytes]"] = []


def start_broker() -> None:
    """Start Debian's mosquitto; subscriptions outlast it."""
    brokers.append(
        subprocess.Popen(["mosquitto", "-c", str(BROKER / "conf")], stderr=subprocess.DEVNULL)
    )
    appears(listens)


def end_broker() -> None:
    brokers[-1].terminate()
    brokers[-1].wait()


def listens() -> bool:
    """Whether the broker takes connections."""
    try:
        socket.create_connection(("127.0.0.1", 1883)).close()
    except OSError:
        return False
    return True


def subscriber(topic: str, *more: str) -> str:
    """Return what Debian's subscriber prints of a topic."""
    return command(
        "mosquitto_sub", "-h", "127.0.0.1", "-u", "cam", "-P", "secret", "-t", topic, "-q", "1",
        "-W", "240", *more,
    )  # fmt: skip


def heard(topic: str) -> str:
    """Return the next message of a topic, the retained one first."""
    return subscriber(topic, "-C", "1").strip()


def kept(*more: str) -> str:
    """Return what came to a subscription that the broker keeps while nobody listens."""
    return subscriber(TOPIC, "-c", "-i", "bed", *more)


def edge_infer(*words: str) -> str:
    """Run a command as root types it, and return what it prints."""
    return command(sys.executable, "-m", "edge_infer", *words)


def show(name: str) -> str:
    """Return a property of the unit."""
    return command("systemctl", "show", "--value", "-p", name, UNIT).strip()


def pids_of(program: str) -> list[int]:
    """Return the processes of the unit that run a program, by its name."""
    group = Path("/sys/fs/cgroup", show("ControlGroup").lstrip("/"), "cgroup.procs")
    pids = [int(word) for word in group.read_text().split()] if group.exists() else []
    return [pid for pid in pids if name_of(pid) == program]


def name_of(pid: int) -> str:
    """Return what a process runs, nothing where it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def rows() -> list[str]:
    return ROWS.read_text().splitlines() if ROWS.exists() else []


def more_rows() -> None:
    """Wait until the file has more answers than now."""
    before = len(rows())
    appears(lambda: len(rows()) > before, look_every_s=0.2)


def check_it_is_installed_by_one_command() -> None:
    CAMERA.parent.mkdir(parents=True, exist_ok=True)
    CAMERA.write_text(CAMERA_SCRIPT)
    CAMERA.chmod(0o755)
    BROKER.mkdir()
    PASSWORD.write_text("secret\n")
    PASSWORD.chmod(0o600)
    command("mosquitto_passwd", "-b", "-c", str(BROKER / "users"), "cam", "secret")
    (BROKER / "conf").write_text(BROKER_SETTINGS)
    start_broker()
    said = edge_infer(
        "install-service", "run", BUNDLE, "--name", NAME, "--source", "camera", "--board", "host",
        "--mqtt", f"mqtt://cam@127.0.0.1/{TOPIC}", "--mqtt-password-file", str(PASSWORD),
        "-o", ROWS.name,
    )  # fmt: skip
    assert f"settings {SETTINGS}/edge-infer.toml" in said, said
    assert "secret" not in (SETTINGS / "edge-infer.toml").read_text()
    edge_infer("install-service", "serve")


def check_its_answers_reach_broker_and_file() -> None:
    try:
        assert heard(f"{TOPIC}/availability") == "online"
        answer = json.loads(heard(TOPIC))
    except AssertionError:
        print(edge_infer("service", "logs", NAME))
        raise
    print(f"   {answer['label']}, {answer['confidence']:.3f}")
    more_rows()
    assert json.loads(rows()[0])["number"] == 0


def check_neither_it_nor_its_camera_is_root() -> None:
    uid = pwd.getpwnam("edge-infer").pw_uid
    pids = [int(show("MainPID")), *pids_of("rpicam-vid")]
    assert len(pids) == 2 and {Path(f"/proc/{pid}").stat().st_uid for pid in pids} == {uid}
    assert uid != 0


def check_a_camera_that_dies_is_started_again_by_the_run() -> None:
    [killed] = pids_of("rpicam-vid")
    os.kill(killed, signal.SIGKILL)
    appears(lambda: pids_of("rpicam-vid") not in ([], [killed]), look_every_s=0.2)
    more_rows()
    assert show("NRestarts") == "0"


def check_a_broker_that_dies_holds_nothing_up_and_hears_all_once_it_is_back() -> None:
    kept("-E")
    first = json.loads(heard(TOPIC))["number"]
    end_broker()
    more_rows()
    last = json.loads(rows()[-1])["number"]
    start_broker()
    numbers: set[int] = set()
    while last not in numbers:
        numbers.add(json.loads(kept("-C", "1"))["number"])
    assert numbers >= set(range(first, last + 1)), (first, last, numbers)
    assert heard(f"{TOPIC}/availability") == "online"


def check_status_and_logs_tell_of_it() -> None:
    said = edge_infer("service", "status", NAME)
    assert "active (running)" in said and UNIT in said, said
    said = edge_infer("service", "logs", NAME)
    assert "rpicam-vid was ended by SIGKILL" in said and "127.0.0.1" in said, said


def check_after_a_kill_the_broker_knows_and_it_comes_back() -> None:
    os.kill(int(show("MainPID")), signal.SIGKILL)
    available = f"{TOPIC}/availability"
    assert heard(available) == "offline"  # its last will; systemd waits 10 s
    appears(lambda: heard(available) == "online", look_every_s=0.5)
    assert show("NRestarts") == "1"
    assert appears(lambda: pids_of("rpicam-vid"), look_every_s=0.2)


def check_a_run_that_hangs_is_ended_by_the_watchdog() -> None:
    os.kill(int(show("MainPID")), signal.SIGSTOP)
    began_s = time.monotonic()
    appears(lambda: show("NRestarts") == "2", look_every_s=1)
    print(f"   restarted {time.monotonic() - began_s:.0f} s after it hung")
    assert "Watchdog timeout" in edge_infer("service", "logs", NAME)


def check_remove_leaves_serve_alone() -> None:
    edge_infer("service", "remove", NAME)
    assert heard(f"{TOPIC}/availability") == "offline"
    assert show("LoadState") == "not-found"
    assert not SETTINGS.exists() and not ROWS.parent.exists()
    said = subprocess.run(
        [sys.executable, "-m", "edge_infer", "service", "status"], capture_output=True, text=True
    )
    assert said.returncode == 1 and "edge-infer.service" in said.stdout, said  # it does not run
    assert UNIT not in said.stdout


def check_uninstall_leaves_nothing() -> None:
    edge_infer("install-service", "--uninstall")
    assert left_files() == []
    end_broker()
