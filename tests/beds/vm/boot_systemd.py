"""Boots the same guest with systemd as its first process, and installs the service in it.

    python -m tests.beds.vm.boot_systemd [check_camera ...]

/usr is the host's with a layer over it, so that an installation can write there; the systemd is
the host's too; /etc and /var are empty.
"""

import sys
from pathlib import Path

from tests.beds.missing import need, skip
from tests.beds.vm.boot import CHECKOUT, HERE, boot

SYSTEMD = Path("/lib/systemd/systemd")
UNITS = HERE / "booted"
CHECKS = "check_systemd", "check_camera"
"""Modules of tests/beds/vm/booted, each of which leaves nothing behind."""
PROGRAMS = {"mosquitto": "mosquitto", "mosquitto_sub": "mosquitto-clients"}


def main() -> int:
    """Boot with systemd as the first process; it starts the checks as a service."""
    if not SYSTEMD.exists():
        skip(f"{SYSTEMD} not found; install with: sudo apt-get install systemd")
    if CHECKOUT.is_relative_to("/tmp") or CHECKOUT.is_relative_to("/var/tmp"):
        skip(f"the service has a /tmp of its own and cannot see {CHECKOUT}: check out elsewhere")
    need(PROGRAMS)
    files = {f"etc/systemd/system/{unit.name}": _text(unit) for unit in UNITS.glob("bed.*")}
    files["etc/machine-id"] = f"{0xED6E:032x}\n"  # a machine that was set up before
    # Its rule would close /root, below which this computer may keep its Python.
    files["etc/tmpfiles.d/provision.conf"] = ""
    return boot("bed.first=systemd systemd.show_status=0", files)


def _text(unit: Path) -> str:
    checks = ",".join(sys.argv[1:] or CHECKS)
    return unit.read_text().replace("@CHECKOUT@", str(CHECKOUT)).replace("@CHECKS@", checks)


if __name__ == "__main__":
    sys.exit(main())
