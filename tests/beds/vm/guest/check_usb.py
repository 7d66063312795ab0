"""A USB serial pair of the kernel's own: a gadget on one side, its host on the other."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.beds.vm.guest.child import Child
from tests.beds.vm.guest.cli import edge_infer, running
from tests.beds.vm.guest.machine import appears, modprobe

from edge_infer.firmware_bridge.image import mcuboot_image
from edge_infer.firmware_bridge.image.bundle_file import pack_bundle
from edge_infer.models_tflite import open_bundle

GADGET, HOST = Path("/dev/ttyGS0"), Path("/dev/ttyACM0")
STATE = Path("/run/slots")
BUNDLE = "mnist-early-exit"
"""Large enough for an upload of a second or more."""
USB = Path("/sys/bus/usb/devices")


def size(path: Path) -> int:
    """Return a file's size, 0 while there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def serving() -> Iterator[Child]:
    """Serve on the gadget's side."""
    with running(
        "serve", "-p", str(GADGET), "--state", str(STATE), "--allow-unsigned"
    ) as serve:  # fmt: skip
        yield serve
        assert serve.kill(signal.SIGTERM) == 0


def host_port() -> Path:
    """Return the switch of the port that the gadget is plugged into."""
    bus = next(p for p in USB.glob("usb*") if "dummy_hcd" in str(p.resolve()))
    return next(bus.resolve().glob("*:1.0/usb*-port1/disable"))


def pull_out(switch: Path) -> None:
    """Let the host lose the device: its port is switched off."""
    switch.write_text("1")
    appears(lambda: not HOST.exists())


def plug_in(switch: Path) -> None:
    switch.write_text("0")
    appears(HOST.exists)


def check_the_kernel_gives_a_usb_serial_pair() -> None:
    for module in ("dummy_hcd", "cdc-acm", "usb_f_acm", "g_serial"):
        modprobe(module)
    appears(lambda: GADGET.exists() and HOST.exists())


def check_serve_answers_device_status_over_usb() -> None:
    with serving():
        ended = edge_infer("device", "status", "-p", str(HOST), "--json")
        assert ended.code == 0, ended
        print(f"   {sorted(ended.json())}")


def check_an_upload_goes_on_where_it_was_after_the_plug_was_pulled() -> None:
    switch, part = host_port(), STATE / "slots" / "upload.part"
    file = pack_bundle(open_bundle(BUNDLE).path)
    with serving(), running("flash", BUNDLE, "-p", str(HOST)) as flash:
        appears(lambda: size(part) > 20_000, look_every_s=0.001)
        pull_out(switch)
        held = size(part)
        assert 20_000 < held < len(file)
        plug_in(switch)
        sizes = [held]
        while part.exists():  # it becomes the slot's file at the end
            sizes.append(size(part) or sizes[-1])
            time.sleep(0.01)
        flash.kill(signal.SIGKILL)  # what comes after the upload has its own tests
        digest = mcuboot_image.parse(file).digest.hex()
        status = edge_infer("device", "status", "-p", str(HOST), "--json").json()
    print(f"   pulled out at {held} of {len(file)} bytes")
    assert min(sizes) >= held, "it began anew"
    assert [image["hash"] for image in status["images"] if image["slot"] == 1] == [digest], status


def check_serve_lives_on_when_the_plug_is_pulled() -> None:
    with serving():
        switch = host_port()
        pull_out(switch)
        ended = edge_infer("device", "status", "-p", str(HOST))
        assert ended.code == 4 and "there is no such port" in ended.err, ended
        plug_in(switch)
        assert edge_infer("device", "status", "-p", str(HOST)).code == 0


def check_a_port_that_is_not_there_is_exit_code_4() -> None:
    ended = edge_infer("device", "status", "-p", "/dev/ttyACM7")
    assert ended.code == 4 and "there is no such port" in ended.err, ended
