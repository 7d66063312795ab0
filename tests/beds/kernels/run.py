"""Counts the instructions of the aarch64 kernels that are really dispatched on three cores.

    python -m tests.beds.kernels.run

LiteRT runs under qemu-user with the features of a Cortex-A53, A72 and A76, one operator a model; a
plugin counts. What boards/kernels/*.toml says must agree within `TOLERANCE`, in the median within
`MEDIAN`. Counts are instructions, not cycles: boards scale them by published latencies.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.beds.arm64.root import unpacked_root
from tests.beds.arm64.run import CACHE, SITE, install
from tests.beds.kernels.models import Counted, counted_models
from tests.beds.missing import need, skip

from edge_infer.boards.kernel_counts import load_kernel_counts

PROGRAMS = {
    "chroot": "coreutils", "dpkg-deb": "dpkg", "apt-get": "apt", "tar": "tar", "cc": "gcc",
    "ldd": "libc-bin",
}  # fmt: skip
EMULATOR = "qemu-user"
"""The dynamic one: the static one takes no plugins."""
CORES = {
    "cortex-a53": ("0xd03", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a72": ("0xd08", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a76": ("0xd0b", "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp "
                            "cpuid asimdrdm lrcpc dcpop asimddp"),
}  # fmt: skip
"""CPU part and features, as /proc/cpuinfo has them: XNNPACK chooses its kernels by them."""
INVOCATIONS = 4
INVOKE = 5_450
"""Instructions of an invocation itself, by chains of one to eight small operators."""
TOLERANCE, MEDIAN = 0.25, 0.06
GUEST = """
import os, sys
from ai_edge_litert.interpreter import Interpreter
for name in open("/models/names").read().splitlines():
    runner = Interpreter(model_path=f"/models/{name}", num_threads=1)
    runner.allocate_tensors()
    for _ in range(3):
        runner.invoke()
    os.getppid()
    for _ in range(int(sys.argv[1])):
        runner.invoke()
    os.getppid()
"""


def main() -> int:
    """Count on every core; return 0 where the files agree."""
    need(PROGRAMS)
    root = unpacked_root(CACHE)
    install(root / SITE)
    models = list(counted_models())
    failed = 0
    try:
        _lay_out(root, models)
        for core in CORES:
            counts = list(_counts(root, core))
            if len(counts) != len(models):
                sys.exit(f"FAILED: {core}: {len(counts)} counts of {len(models)} models")
            failed += _compare(core, models, counts)
    finally:  # the other bed's programs see no processor that is not there
        for folder in ("models", "proc", "sys"):
            shutil.rmtree(root / folder, ignore_errors=True)
    return 1 if failed else 0


def _lay_out(root: Path, models: Sequence[Counted]) -> None:
    """Put models, plugin and emulator into the root."""
    for folder in ("models", "proc", "sys/devices/system/cpu"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number, counted in enumerate(models):
        (root / "models" / f"{number}.tflite").write_bytes(counted.model)
    names = "".join(f"{number}.tflite\n" for number in range(len(models)))
    (root / "models/names").write_text(names)
    (root / "models/guest.py").write_text(GUEST)
    for name in ("possible", "present"):
        (root / "sys/devices/system/cpu" / name).write_text("0-3\n")
    emulator = _emulator(CACHE / EMULATOR)
    source = Path(__file__).with_name("count.c")
    plugin = root / "models/count.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", plugin, source], check=True)
    shutil.copy(emulator, root / "models/qemu")
    listed = subprocess.run(["ldd", emulator], capture_output=True, text=True, check=True).stdout
    for library in [word for word in listed.split() if word.startswith("/")]:
        place = root / library.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            shutil.copy(library, place)


def _emulator(folder: Path) -> Path:
    """Return the emulator, downloaded and unpacked; skip where it cannot be had."""
    program = folder / "usr/bin/qemu-aarch64"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["apt-get", "download", EMULATOR], cwd=folder, capture_output=True,
                              text=True, check=False)  # fmt: skip
        if done.returncode != 0:
            skip(f"{EMULATOR} cannot be downloaded: {' '.join(done.stderr.split())[-200:]}")
        package = next(folder.glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    return program


def _counts(root: Path, core: str) -> Iterator[float]:
    """Yield the instructions of one invocation of each model on a core."""
    part, features = CORES[core]
    entry = f"Features\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
    entry += f"CPU variant\t: 0x4\nCPU part\t: {part}\nCPU revision\t: 1\n\n"
    text = "".join(f"processor\t: {number}\n{entry}" for number in range(4))
    (root / "proc/cpuinfo").write_text(text)
    enter = ["chroot", str(root)]
    if os.geteuid() != 0:
        enter = ["unshare", "--user", "--map-root-user", *enter]
    emulator = ["/models/qemu", "-cpu", core, "-plugin", "/models/count.so"]
    guest = ["/usr/bin/python3.11", "/models/guest.py", str(INVOCATIONS)]
    command = [*enter, *emulator, "-E", f"PYTHONPATH=/{SITE}", *guest]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        skip(f"the emulator does not run here: {' '.join(done.stderr.split())[-200:]}")
    found = [int(line.split()[1]) for line in done.stderr.splitlines() if line[:6] == "COUNT "]
    for before, after in zip(found[::2], found[1::2], strict=True):
        yield (after - before) / INVOCATIONS


def _compare(core: str, models: Sequence[Counted], counts: Sequence[float]) -> int:
    """Print each model's count beside what the file says; return how many are too far off."""
    kernels, off, far = load_kernel_counts(f"xnnpack-{core}"), [], 0
    for counted, instructions in zip(models, counts, strict=True):
        row = kernels.op(counted.dtype, counted.op.op)
        said = INVOKE + kernels.start + row.instructions(counted.op)
        error = said / instructions - 1
        off.append(abs(error))
        far += abs(error) > TOLERANCE
        if "-v" in sys.argv or abs(error) > TOLERANCE:
            print(f"{core} {counted.name}: {instructions:.0f} counted, {error:+.1%} in the file")
    middle = median(off)
    outcome = "ok" if not far and middle <= MEDIAN else "FAILED"
    print(f"{outcome} {core}: {len(counts)} operators, the file is {middle:.1%} off in the median, "
          f"{max(off):.1%} at worst")  # fmt: skip
    if "--json" in sys.argv:
        print(json.dumps(dict(zip([m.name for m in models], counts, strict=True))))
    return far + (middle > MEDIAN)


if __name__ == "__main__":
    sys.exit(main())
