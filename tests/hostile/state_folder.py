"""The device's memory with every bit flipped, and cut at every length: it starts all the same."""

import logging
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.bridge_device import KEYS as FAKE_KEYS
from tests.fakes.bridge_device import FakeSelfTests, bundle_file, digest
from tests.hostile.smp_frames import scratch
from tests.hostile.suite import SHORT_SHARE, Suite, Tally

from edge_infer.firmware_bridge.device.device import Device, DeviceSettings
from edge_infer.firmware_bridge.image.keys import TrustedKeys
from edge_infer.firmware_bridge.slots.upload import Upload
from edge_infer.firmware_bridge.worker.runner import StartWorker
from edge_infer.firmware_bridge.worker.worker_pipe import Job, WorkerEvent, WorkerSettings

OLD, NEW, NEXT = (bundle_file(major, size=64, counter=1) for major in (1, 2, 3))
_COUNTER = 1


class NoWorker:
    """Fulfils WorkerHandle, and runs nothing."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.folder = Path(settings.folder)

    def send(self, job: Job) -> None:
        """See WorkerHandle."""

    def events(self) -> list[WorkerEvent]:
        """See WorkerHandle."""
        return []

    def death(self) -> str | None:
        """See WorkerHandle."""
        return None

    def descriptor(self) -> int | None:
        """See WorkerHandle."""
        return None

    def end(self, *, at_once: bool = False) -> None:
        """See WorkerHandle."""


def opened(folder: Path, keys: TrustedKeys = FAKE_KEYS, start: StartWorker = NoWorker) -> Device:
    """Return a device over a state folder; starting it is what is tried."""
    settings = DeviceSettings(folder, "sim:raspberry-pi-5")
    return Device(settings, keys, start, lambda *_: FakeSelfTests())


def flash(device: Device, file: bytes, *, confirm: bool = True) -> None:
    """Upload a bundle, try it and keep it."""
    slots = device.slots
    slots.storage.create("new")
    slots.storage.append("new", file)
    slots.storage.sync("new")
    slots.accept("new")
    slots.test(digest(file))
    device.reset()
    if confirm:
        slots.confirm()


def _confirmed(folder: Path) -> None:
    """Two bundles, the newer one kept; a third one half uploaded."""
    device = opened(folder)
    flash(device, OLD)
    flash(device, NEW)
    session = Upload(device.slots, checkpoint_bytes=1)
    session.begin(len(NEXT), bytes(32))
    session.write(0, NEXT[:200], 10**10)
    device.close()


def _on_trial(folder: Path) -> None:
    """The newer one on trial, the older one its way back."""
    device = opened(folder)
    flash(device, OLD)
    flash(device, NEW, confirm=False)
    device.close()


def _pending(folder: Path) -> None:
    """The newer one is to be tried at the next start."""
    device = opened(folder)
    flash(device, OLD)
    device.slots.storage.create("new")
    device.slots.storage.append("new", NEW)
    device.slots.accept("new")
    device.slots.test(digest(NEW))
    device.close()


def _bits(content: bytes) -> Iterator[tuple[str, bytes]]:
    for bit in range(8 * len(content)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit}", bytes(changed)


def _cuts(content: bytes) -> Iterator[tuple[str, bytes]]:
    for length in range(len(content)):
        yield f"cut to {length}", content[:length]
        zeroed = content[:length] + bytes(len(content) - length)
        if length and zeroed != content:  # a signature may end with zeros
            yield f"zeros from {length}", zeroed


Damage = Callable[[bytes], Iterator[tuple[str, bytes]]]


def _try_all(damage: Damage) -> Callable[[Tally], None]:
    def run(tally: Tally) -> None:
        with silence():
            for prepare in (_confirmed, _on_trial, _pending):
                with scratch() as folder:
                    prepare(folder / "state")
                    for name in _files(folder / "state"):
                        _try_file(tally, prepare.__name__, folder, name, damage)

    return run


def _files(state: Path) -> list[str]:
    return sorted(str(p.relative_to(state)) for p in state.rglob("*") if p.is_file())


def _try_file(tally: Tally, kind: str, folder: Path, name: str, damage: Damage) -> None:
    state, work = folder / "state", folder / "work"
    content = (state / name).read_bytes()
    for what, changed in damage(content):
        if not tally.long and tally.rng.randrange(SHORT_SHARE):
            continue
        shutil.copytree(state, work)
        (work / name).write_bytes(changed)
        with tally.case(f"{kind}: {name}: {what}"):
            _check(work, name)
        shutil.rmtree(work)


def _check(state: Path, name: str) -> None:
    started: list[NoWorker] = []

    def start(settings: WorkerSettings) -> NoWorker:
        started.append(NoWorker(settings))
        return started[-1]

    device = opened(state, start=start)
    try:
        slots = device.slots
        assert slots.active is not None and slots.active.digest in map(digest, (OLD, NEW))
        image = slots.read_active()
        assert image is not None and image.digest == slots.active.digest
        assert slots.state.security_counter == _COUNTER
        assert started, device.runner.statistics.last_failure
        assert (started[-1].folder / "weights.bin").read_bytes() in image.payload
        told = name.startswith("slots/") and "upload" not in name
        assert not told or slots.found, "it does not say what it found"
    finally:
        device.close()


@contextmanager
def silence() -> Iterator[None]:
    """Keep what it says it found from the table."""
    logger = logging.getLogger("edge_infer")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _odd_things(tally: Tally) -> None:
    """Folders, pipes, links and files of any size in each file's place."""
    with silence():
        for prepare in (_confirmed, _on_trial, _pending):
            with scratch() as folder:
                state, work = folder / "state", folder / "work"
                prepare(state)
                for name in (*_files(state), "bundles", "slots/state.json"):
                    for put in (_folder, _pipe, _dangling, _zeros, _sparse):
                        if put in (_zeros, _sparse) and name == "bundles":
                            continue
                        shutil.copytree(state, work)
                        with tally.case(f"{prepare.__name__}: {name}: {put.__name__}"):
                            put(work / name)
                            _check(work, "")
                        shutil.rmtree(work)


def _gone(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _folder(path: Path) -> None:
    _gone(path)
    (path / "a" / "b").mkdir(parents=True)


def _pipe(path: Path) -> None:
    _gone(path)
    os.mkfifo(path)


def _dangling(path: Path) -> None:
    _gone(path)
    path.symlink_to("/nowhere/at/all")


def _zeros(path: Path) -> None:
    path.write_bytes(bytes(random.Random(1).randrange(100_000)))


def _sparse(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(1 << 40)


SUITES = (
    Suite("state: every bit flipped", 0, _try_all(_bits)),
    Suite("state: cut at every length", 0, _try_all(_cuts)),
    Suite("state: other things in its place", 0, _odd_things),
)
