"""What only a Raspberry Pi's firmware tells, played: /dev/vcio through CUSE, flags in /sys.

The device file, its permissions and its ioctl are the kernel's; the answers are ours.
"""

import ctypes
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.beds.vm.guest.bridge import plugged
from tests.beds.vm.guest.child import Child, as_guest
from tests.beds.vm.guest.cli import edge_infer, meter_file, no_meter_file
from tests.beds.vm.guest.cuse import CharacterDevice
from tests.beds.vm.guest.machine import (
    CPUFREQ,
    appears,
    command,
    load_clock,
    modprobe,
    policy_settings,
    refusal,
)

from edge_infer.boards.errors import BusError
from edge_infer.boards.power import SampleFlag
from edge_infer.boards.registry import open_board
from edge_infer.boards.thermal import THROTTLED
from edge_infer.boards.videocore import DEVICE, HEAD, MESSAGE_BYTES, VideoCore

SLOWEST_KHZ = 900_000
"""The played firmware runs no lower clock, as a Raspberry Pi 5's of October 2023."""
RAILS = "VDD_CORE_A current(7)=2.0A\nVDD_CORE_V volt(15)=0.8V\nEXT5V_V volt(24)=5.1V\n"
FLAGS = 0x50005
"""Supply voltage too low and throttled: now, and since boot."""
NEW_MOUNTS = 0x20000


def answer(message: bytes) -> bytes:
    """Return the firmware's message to a message with a command."""
    text = message[HEAD.size :].split(b"\0", 1)[0].decode()
    if text == "measure_clock arm":
        asked_khz = int((CPUFREQ / "policy0/scaling_cur_freq").read_text())
        reply = f"frequency(0)={max(asked_khz, SLOWEST_KHZ) * 1000}"
    elif text == "pmic_read_adc":
        reply = RAILS
    else:
        reply = 'error=1 error_msg="Command not registered"'
    head = HEAD.pack(*HEAD.unpack_from(message)[:-1], 0)
    return (head + reply.encode()).ljust(MESSAGE_BYTES, b"\0")


@contextmanager
def firmware() -> Iterator[None]:
    """Let there be a firmware to ask."""

    def play(say: Callable[[str], None]) -> None:
        device = CharacterDevice(DEVICE.name, MESSAGE_BYTES, answer)
        say("playing")
        while True:
            device.serve()

    modprobe("cuse")
    with Child(play) as child:
        assert child.line() == "playing"
        appears(DEVICE.exists)
        yield
    appears(lambda: not DEVICE.exists())


def check_without_a_firmware_that_is_said() -> None:
    message = refusal(VideoCore, BusError)
    assert "this is no Raspberry Pi" in message, message


def check_clocks_that_run_as_another_are_dropped_and_named() -> None:
    load_clock()
    no_meter_file()
    found = policy_settings()
    with firmware():
        with open_board("linux") as board:
            assert board.clock.supported_khz() == (900_000, 1_200_000, 1_500_000)
        findings = edge_infer("doctor", "--clocks", "--json").json()["findings"]
    texts = [f["text"] for f in findings if f["check"] == "clocks"]
    assert texts == ["600 MHz runs as 900 MHz by the firmware's measure"], texts
    assert policy_settings() == found


def check_the_power_management_chip_is_a_meter() -> None:
    with firmware():
        ended = edge_infer(
            "power", "monitor", "--meter", "pmic", "--every", "300ms", "--duration", "900ms",
            "--json",
        )  # fmt: skip
    rows = [json.loads(line) for line in ended.out.splitlines()]
    powers = {row["power_uw"] for row in rows if row["samples"]}
    assert powers == {1_600_000}, ended


def check_what_the_firmware_refuses_or_forbids_is_told() -> None:
    with firmware():
        core = VideoCore()
        message = refusal(lambda: core.ask("no_such_command"), BusError)
        core.close()
        assert "the firmware refuses 'no_such_command'" in message, message
        DEVICE.chmod(0o600)
        message = as_guest(lambda: refusal(VideoCore, BusError))
        assert "group video" in message, message


def in_throttled_sysfs(work: Callable[[], str]) -> str:
    """Return what `work` returns where /sys holds the firmware's flags, in a layer over it."""
    flags = Path("/run/flags") / THROTTLED
    flags.parent.mkdir(parents=True, exist_ok=True)
    flags.write_text(f"{FLAGS:x}\n")
    modprobe("overlay")

    def run(say: Callable[[str], None]) -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(NEW_MOUNTS):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        command("mount", "--make-rprivate", "/")
        command("mount", "-t", "overlay", "-o", "lowerdir=/run/flags:/sys", "flags", "/sys")
        say(work())

    with Child(run) as child:
        return child.line()


def check_throttling_is_found_and_flags_every_sample() -> None:
    def work() -> str:
        monitor = edge_infer("power", "monitor", "--duration", "900ms", "--json")
        return json.dumps([edge_infer("doctor", "--json").json(), monitor.out, monitor.err])

    with plugged(5_000_000) as bridge:
        meter_file(f'kind = "ina219"\ni2c_bus = {bridge.bus}\naddress = 0x40\nadc_samples = 16\n')
        doctor, out, err = json.loads(in_throttled_sysfs(work))
    found = {f["text"]: f["status"] for f in doctor["findings"] if f["check"] == "throttling"}
    assert found["throttled now"] == "problem", found
    assert found["the supply voltage has been too low since boot"] == "note", found
    rows = [json.loads(line) for line in out.splitlines()]
    sampled = [row for row in rows if row["samples"]]
    assert sampled and all(row["flags"] & SampleFlag.THROTTLED for row in sampled), (out, err)
