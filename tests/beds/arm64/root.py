"""An aarch64 Debian root with Python 3.11, unpacked from packages; nothing of it is installed."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.beds.missing import skip

PACKAGES = ("python3", "libstdc++6", "libatomic1")
RELEASE = "bookworm"
"""The Debian release whose Python is 3.11, as on Raspberry Pi OS of 2023 to 2025."""
LINKS = ("bin", "sbin", "lib")
"""Folders of / that are links into /usr: a package must not replace them."""


def unpacked_root(cache: Path, arch: str = "arm64") -> Path:
    """Return the root, from the cache or from the package archive; skip where there is none."""
    root = cache / f"root-{arch}"
    if (root / "complete").exists():
        return root
    for package in _download(cache / f"apt-{arch}", arch):
        _unpack(package, root)
    (root / "complete").touch()
    return root


def _download(folder: Path, arch: str) -> Sequence[Path]:
    """Download the packages and all they depend on, with an apt of their own architecture."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    options = {
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "APT::Sandbox::User": "root",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::PreferencesParts": folder / "etc/preferences.d",
        "Debug::NoLocking": "true",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    install = [*apt, "install", "--yes", "--no-install-recommends", "--download-only", *PACKAGES]
    # An index of updates that cannot be had does not matter where the packages still can.
    subprocess.run([*apt, "update"], capture_output=True, check=False)
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        skip(f"no {arch} packages to be had: {done.stderr.strip().splitlines()[-1:]}")
    return sorted((folder / "cache/archives").glob("*.deb"))


def _unpack(package: Path, root: Path) -> None:
    for name in LINKS:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
    ) as tarfile:
        tar = ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)]
        subprocess.run(tar, stdin=tarfile.stdout, check=True)
