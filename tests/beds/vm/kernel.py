"""A Debian kernel with its modules: a package downloaded once and unpacked, never installed."""

import re
import subprocess
from pathlib import Path

from tests.beds.missing import skip

META_PACKAGE = "linux-image-amd64"
"""Depends on the newest kernel of the Debian release that this computer runs."""


class Kernel:
    """An unpacked kernel package below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.image = next((folder / "boot").glob("vmlinuz-*"))
        self.version = self.image.name.removeprefix("vmlinuz-")

    def modules_for(self, *names: str) -> list[Path]:
        """Return the files of modules and all that they need, in loading order."""
        files: dict[Path, None] = {}
        for name in names:
            shown = _output(
                "modprobe", "-d", str(self.folder), "-S", self.version, "--show-depends", name
            )
            for line in shown.splitlines():
                if line.startswith("insmod "):
                    files[Path(line.split()[1])] = None
        return list(files)


def unpacked_kernel(cache: Path) -> Kernel:
    """Return the kernel, from the cache or from the package archive; skip where there is none."""
    folder = cache / "kernel"
    if not (folder / "complete").exists():
        package = _package()
        cache.mkdir(parents=True, exist_ok=True)
        try:
            _output("apt-get", "download", "-qq", package, cwd=cache)
        except subprocess.CalledProcessError as error:
            skip(f"cannot download the package {package}: {error.stderr.strip()}")
        _output("dpkg-deb", "-x", str(next(cache.glob(f"{package}_*.deb"))), str(folder))
        version = next((folder / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
        _output("depmod", "-b", str(folder), version)
        (folder / "complete").touch()
    return Kernel(folder)


def _package() -> str:
    try:
        shown = _output("apt-cache", "depends", META_PACKAGE)
    except subprocess.CalledProcessError:
        shown = ""
    found = re.search(r"Depends: (linux-image-\S+)", shown)
    if found is None:
        skip(f"the package archive knows no {META_PACKAGE}; run: sudo apt-get update")
    return found[1]


def _output(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout
