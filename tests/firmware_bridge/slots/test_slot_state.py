"""What the slots remember survives whatever happens to one file, and says what it found."""

import json
import logging
import os
import stat
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.fakes.cut_storage import CutStorage
from tests.firmware_bridge.slots.test_slots import KEYS, NEW, OLD, digest, flashed, upload

from edge_infer.firmware_bridge.slots.image_files import MAX_IMAGE_BYTES
from edge_infer.firmware_bridge.slots.slot_state import SlotState, load_state, save_state
from edge_infer.firmware_bridge.slots.slot_storage import FolderStorage
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.slots.upload import Upload


@pytest.mark.parametrize("copy", ["state-1", "state-2"])
def test_one_flipped_bit_anywhere_in_a_copy_costs_nothing(copy: str) -> None:
    storage = CutStorage()
    expected = flashed(storage, OLD).state
    files = {name: bytes(file.written) for name, file in storage.names.items()}
    for bit in range(8 * len(files[copy])):
        damaged = bytearray(files[copy])
        damaged[bit // 8] ^= 1 << bit % 8
        stored = load_state(CutStorage(files | {copy: bytes(damaged)}))
        assert stored.state == expected
        assert len(stored.found) == 1 and copy in stored.found[0]


def test_the_newer_of_two_copies_counts() -> None:
    storage = CutStorage()
    save_state(storage, SlotState(active="a"), 4)
    old = bytes(storage.names["state-2"].written)
    save_state(storage, SlotState(active="b"), 5)
    storage.names["state-2"].written[:] = old  # the power failed between them
    stored = load_state(storage)
    assert stored.state == SlotState(active="b") and stored.generation == 5 and not stored.found


def test_the_file_of_an_older_version_is_read_once() -> None:
    storage = CutStorage()
    state = flashed(storage, OLD).state
    image = bytes(storage.names["a.img"].written)
    old = CutStorage({"a.img": image, "state.json": json.dumps(asdict(state)).encode()})
    slots = Slots(old, KEYS)
    assert slots.active and slots.state.confirmed and slots.state.security_counter == 1
    assert sorted(old.names) == ["a.img", "state-1", "state-2"]


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"resets": ' + b"9" * 5000 + b"}",
        b'{"resets": 1e400}',
        b'{"resets": -1}',
        b'{"security_counter": 4294967296}',
        b'{"active": "c"}',
        b'{"active": 1}',
        b'{"pending": {"digest": 1}}',
        b'{"pending": {}}',
        b'{"unknown": 1}',
        b"null",
        b"\xff",
        b"{" + b" " * 70_000 + b"}",
    ],
)
def test_an_old_file_that_holds_nonsense_is_not_believed(content: bytes) -> None:
    storage = CutStorage()
    flashed(storage, OLD)
    image = bytes(storage.names["a.img"].written)
    slots = Slots(CutStorage({"a.img": image, "state.json": content}), KEYS)
    assert slots.active and slots.active.digest == digest(OLD)
    assert slots.state.security_counter == 1 and slots.found


def make_folder(path: Path) -> None:
    path.unlink()
    (path / "inner").mkdir(parents=True)


def make_sparse(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1 << 40)


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [make_folder, make_sparse, make_pipe])
@pytest.mark.parametrize("name", ["state-1", "state-2", "b.img", "upload.json", "upload.part"])
def test_anything_in_the_place_of_one_file_still_starts(
    tmp_path: Path, name: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    slots = Slots(FolderStorage(tmp_path), KEYS)
    upload(slots, OLD)
    slots.test(digest(OLD), permanent=True)
    slots.reset()
    upload(slots, NEW)
    session = Upload(slots, checkpoint_bytes=1)
    session.begin(len(OLD), bytes(32))
    session.write(0, OLD[:100], 10**10)
    damage(tmp_path / name)
    with caplog.at_level(logging.WARNING):
        slots = Slots(FolderStorage(tmp_path), KEYS)
    again = Upload(slots)
    assert slots.active and slots.active.digest == digest(OLD)
    assert bool(slots.found) == (not name.startswith("upload")) == bool(caplog.records)
    assert again.begin(len(NEW), b"") == 0
    upload(slots, NEW)
    assert slots.other and slots.other.digest == digest(NEW)
    assert (tmp_path / "b.img").stat().st_size < MAX_IMAGE_BYTES


def test_only_the_owner_reads_what_decides(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        slots = Slots(FolderStorage(tmp_path / "slots"), KEYS)
        upload(slots, OLD)
    finally:
        os.umask(previous)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "slots").iterdir()}
    assert set(modes.values()) == {0o600} and len(modes) == 3
    assert stat.S_IMODE((tmp_path / "slots").stat().st_mode) == 0o700
