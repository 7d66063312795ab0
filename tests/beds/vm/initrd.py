"""The guest's first file system: busybox, what 9p needs, and /init."""

import gzip
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.beds.vm.kernel import Kernel

MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
"""What mounts the host's folders; everything later is loaded by modprobe in the guest."""
APPLETS = ("sh", "mount", "mkdir", "ln", "cat", "cut", "cp", "insmod", "switch_root", "poweroff")


def make_initrd(kernel: Kernel, busybox: Path, files: Mapping[str, str], work: Path) -> Path:
    """Return the archive.

    Args:
        kernel: whose modules it carries.
        busybox: a statically linked one.
        files: texts by path in the archive.
        work: an empty folder to work in.
    """
    root = work / "initrd"
    for name in ("bin", "proc", "sys", "dev", "modules"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    modules = kernel.modules_for(*MODULES)
    for module in modules:
        shutil.copy(module, root / "modules" / module.name)
    order = "".join(f"/modules/{module.name}\n" for module in modules)
    for path, text in {**files, "modules.list": order}.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (root / "init").chmod(0o755)
    return _archive(root, work / "initrd.gz")


def _archive(root: Path, target: Path) -> Path:
    names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
    packed = subprocess.run(
        ["cpio", "--create", "--format=newc", "--quiet", "--owner=+0:+0"],
        input=names.encode(),
        stdout=subprocess.PIPE,
        check=True,
        cwd=root,
    )
    target.write_bytes(gzip.compress(packed.stdout, 1))
    return target
