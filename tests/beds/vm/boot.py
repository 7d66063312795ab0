"""Boots a Debian kernel in QEMU and runs the checks in tests/beds/vm/guest in it.

    python -m tests.beds.vm.boot [check_usb ...]

Without names it boots once for each of PARTS, so that every time stays short.

The guest gets this checkout, its environment and the host's /usr read-only over 9p, and two things
that no host here has: an I2C bus (i2c-stub) and P-states (ssdt.asl). It is emulated, so its times
say nothing about a board.
"""

import compileall
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.beds.missing import need
from tests.beds.vm.initrd import make_initrd
from tests.beds.vm.kernel import Kernel, unpacked_kernel

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[2]
CACHE = CHECKOUT / "build" / "beds"
PARTS = (
    ("check_bare", "check_i2c", "check_iio", "check_cpufreq", "check_restore"),
    ("check_run", "check_service", "check_usb"),
    ("check_bridge", "check_firmware"),
    ("check_survey",),
)
"""Modules of tests/beds/vm/guest by boot, in an order in which each leaves what the next needs."""
TIME_LIMIT_S = 3600
"""A host that does nothing else needs about a minute."""
CPU = "Nehalem"
"""acpi-cpufreq refuses QEMU's default processor ("AMD K8 systems must use native drivers")."""
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "iasl": "acpica-tools",
    "cpio": "cpio",
    "modprobe": "kmod",
    "udevadm": "udev",
}
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/tmp:/bin/sh\n",
    "etc/group": "root:x:0:\ni2c:x:101:\ndialout:x:20:\nguest:x:1000:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\n",
}
"""The guest has an ordinary user without any right."""


def main() -> int:
    """Boot with the checks as the first process, as often as there are parts."""
    parts = [tuple(sys.argv[1:])] if sys.argv[1:] else PARTS
    return max(boot(f"bed.checks={','.join(part)}", {}) for part in parts)


def boot(words: str, files: Mapping[str, str]) -> int:
    """Boot, print what the guest prints, and return the checks' exit code.

    Args:
        words: for the kernel's command line; vm/init takes what begins with "bed.".
        files: texts by path in the guest's first file system; etc/ goes over to its root.
    """
    need(PROGRAMS)
    kernel = unpacked_kernel(CACHE)
    # The guest may not write: what is not compiled here would be compiled there, each time.
    compileall.compile_dir(CHECKOUT, maxlevels=5, quiet=2, rx=re.compile(r"/(\.|build/)"))
    with TemporaryDirectory(prefix="edge-infer-vm-") as name:
        work = Path(name)
        busybox = Path(shutil.which("busybox") or "busybox")
        texts = {**ACCOUNTS, **files, "init": (HERE / "init").read_text()}
        initrd = make_initrd(kernel, busybox, texts, work)
        table = work / "ssdt.aml"
        subprocess.run(
            ["iasl", "-p", str(table), str(HERE / "ssdt.asl")], check=True, capture_output=True
        )
        began_s = time.monotonic()
        code = _run(_command(kernel, initrd, table, words))
        print(f"bed: boot to power-off {time.monotonic() - began_s:.0f} s of wall time")
    return code


def _command(kernel: Kernel, initrd: Path, table: Path, words: str) -> list[str]:
    # The folders that the guest sees, by their 9p tag.
    shares = {
        "usr": Path("/usr"),
        "python": Path(sys.base_prefix),
        "checkout": CHECKOUT,
        "kernel": kernel.folder,
    }
    # On a busy host the kernel would take late timer interrupts for a broken board.
    words += " no_timer_check "
    words += (
        f"console=ttyS0 quiet loglevel=3 panic=-1 intel_pstate=disable bed.python={sys.base_prefix}"
    )
    command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi"]
    command += ["-cpu", CPU, "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none"]
    command += ["-serial", "stdio", "-no-reboot", "-acpitable", f"file={table}"]
    command += ["-kernel", str(kernel.image), "-initrd", str(initrd)]
    command += ["-append", f"{words} bed.checkout={CHECKOUT}"]
    for tag, folder in shares.items():
        share = f"local,path={folder},mount_tag={tag},security_model=none,readonly=on"
        command += ["-virtfs", share + ",multidevs=remap"]
    return command


def _run(command: list[str]) -> int:
    """Run QEMU; return the code the guest reports, 1 if it reports none in time."""
    code = 1
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as qemu:
        try:
            for line in _lines(qemu):
                print(line, flush=True)
                found = re.search(r"bed: exit code (\d+)", line)
                if found is not None:
                    code = int(found[1])
        finally:
            qemu.kill()
    return code


def _lines(qemu: "subprocess.Popen[bytes]") -> Iterator[str]:
    """Yield what the guest prints until it powers off or its time is up."""
    assert qemu.stdout is not None
    os.set_blocking(qemu.stdout.fileno(), False)
    end_s, rest = time.monotonic() + TIME_LIMIT_S, b""
    while time.monotonic() < end_s:
        chunk = qemu.stdout.read()
        if chunk == b"":
            return
        if chunk is None:
            time.sleep(0.05)
            continue
        *lines, rest = (rest + chunk).replace(b"\r", b"").split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)
    print(f"bed: no power-off within {TIME_LIMIT_S} s")


if __name__ == "__main__":
    sys.exit(main())
