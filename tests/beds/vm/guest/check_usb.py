"""A USB serial pair of the kernel's own: a gadget on one side, its host on the other."""

import signal
import time
from pathlib import Path

from tests.beds.vm.guest.cli import edge_infer, running
from tests.beds.vm.guest.machine import modprobe

GADGET, HOST = Path("/dev/ttyGS0"), Path("/dev/ttyACM0")
APPEAR_S = 20


def appears(path: Path) -> bool:
    end_s = time.monotonic() + APPEAR_S
    while not path.exists() and time.monotonic() < end_s:
        time.sleep(0.05)
    return path.exists()


def check_the_kernel_gives_a_usb_serial_pair() -> None:
    for module in ("dummy_hcd", "cdc-acm", "usb_f_acm", "g_serial"):
        modprobe(module)
    assert appears(GADGET) and appears(HOST)


def check_serve_answers_device_status_over_usb() -> None:
    serve = running("serve", "-p", str(GADGET), "--state", "/run/slots", "--allow-unsigned")
    with serve:
        outcome = edge_infer("device", "status", "-p", str(HOST), "--json")
        assert outcome.code == 0, outcome
        print(f"   {sorted(outcome.json())}")
        assert serve.kill(signal.SIGTERM) == 0


def check_a_port_that_is_not_there_is_exit_code_4() -> None:
    outcome = edge_infer("device", "status", "-p", "/dev/ttyACM7")
    assert outcome.code == 4 and "there is no such port" in outcome.err, outcome
