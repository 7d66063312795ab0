"""Two slots: test, confirm, revert; and a power cut at any moment leaves a bundle that works."""

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.cut_storage import CutStorage, PowerCut

from edge_infer.firmware_bridge.errors import ImageError, SlotError
from edge_infer.firmware_bridge.image import mcuboot_image, stored_zip
from edge_infer.firmware_bridge.image.keys import SigningKey, TrustedKeys
from edge_infer.firmware_bridge.image.mcuboot_image import ImageVersion
from edge_infer.firmware_bridge.slots.slot_storage import FolderStorage
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.slots.upload import Upload
from edge_infer.firmware_bridge.wire.standard import NOT_CONFIRMED, ImageCode

KEY = SigningKey.generate()
KEYS = TrustedKeys([("release", KEY.public)])
CHUNK = 200


def bundle(major: int, counter: int = 0, key: SigningKey | None = KEY) -> bytes:
    payload = stored_zip.pack({"manifest.json": b"{}", "weights.bin": bytes([major]) * 900})
    return mcuboot_image.build(payload, ImageVersion(major), counter, key)


def digest(image: bytes) -> bytes:
    return mcuboot_image.parse(image).digest


def upload(slots: Slots, image: bytes, now_ns: int = 0) -> None:
    session = Upload(slots, checkpoint_bytes=300)
    at = session.begin(len(image), hashlib.sha256(image).digest())
    while at < len(image):
        now_ns += 2_000_000_000
        at = session.write(at, image[at : at + CHUNK], now_ns)
    session.finish()


def flashed(storage: CutStorage, image: bytes) -> Slots:
    slots = Slots(storage, KEYS)
    upload(slots, image)
    slots.test(digest(image))
    slots.reset()
    slots.confirm()
    return slots


OLD, NEW = bundle(1, counter=1), bundle(2, counter=2)


def test_the_first_bundle_runs_on_trial_and_is_never_reverted_to_nothing() -> None:
    slots = Slots(CutStorage(), KEYS)
    assert slots.active is None
    upload(slots, OLD)
    slots.test(digest(OLD))
    slots.reset()
    slots.reset()
    assert slots.active and slots.active.digest == digest(OLD)
    assert not slots.state.confirmed and slots.state.last_revert is None


def test_test_reset_confirm_keeps_the_new_one_and_raises_the_counter_only_then() -> None:
    slots = flashed(CutStorage(), OLD)
    upload(slots, NEW)
    slots.test(digest(NEW))
    assert slots.active and slots.active.version == "1.0.0"
    slots.reset()
    assert slots.active.version == "2.0.0" and slots.on_trial
    assert slots.state.security_counter == 1
    slots.confirm()
    assert slots.state.security_counter == 2
    slots.reset()
    assert slots.active.version == "2.0.0" and slots.state.last_revert is None


@pytest.mark.parametrize("reason", [None, "3 of 3 runs crashed"])
def test_unconfirmed_reverts_and_says_why(reason: str | None) -> None:
    slots = flashed(CutStorage(), OLD)
    upload(slots, NEW)
    slots.test(digest(NEW))
    slots.reset()
    if reason:
        slots.fail(reason)
        with pytest.raises(SlotError, match="crashed"):
            slots.confirm()
    slots.reset()
    assert slots.active and slots.active.version == "1.0.0" and slots.state.confirmed
    revert = slots.state.last_revert
    assert revert and revert.version == "2.0.0" and revert.reason == (reason or NOT_CONFIRMED)
    assert revert.digest == digest(NEW).hex()
    assert slots.state.security_counter == 1
    slots.test(digest(NEW))  # it may be tried again
    slots.reset()
    assert slots.active.version == "2.0.0"


def test_permanent_needs_no_confirmation() -> None:
    slots = flashed(CutStorage(), OLD)
    upload(slots, NEW)
    slots.test(digest(NEW), permanent=True)
    slots.reset()
    slots.reset()
    assert slots.active and slots.active.version == "2.0.0" and slots.state.security_counter == 2


def test_rollback_after_confirmation_goes_back_unless_it_is_too_old() -> None:
    slots = flashed(CutStorage(), bundle(1, counter=5))
    upload(slots, bundle(2, counter=5))
    slots.test(digest(bundle(2, counter=5)), permanent=True)
    slots.reset()
    slots.roll_back("asked by the host")
    slots.reset()
    assert slots.active and slots.active.version == "1.0.0"
    assert slots.state.last_revert and slots.state.last_revert.reason == "asked by the host"

    slots = flashed(CutStorage(), OLD)
    upload(slots, NEW)
    slots.test(digest(NEW), permanent=True)
    slots.reset()
    with pytest.raises(SlotError) as refused:
        slots.roll_back("asked by the host")
    assert refused.value.code == ImageCode.OLDER_THAN_CONFIRMED


def test_the_way_back_cannot_be_overwritten_or_erased_during_a_trial() -> None:
    slots = flashed(CutStorage(), OLD)
    upload(slots, NEW)
    slots.test(digest(NEW))
    with pytest.raises(SlotError) as pending:
        slots.erase()
    assert pending.value.code == ImageCode.ALREADY_PENDING
    slots.reset()
    for change in (slots.erase, lambda: upload(slots, bundle(3, 3))):
        with pytest.raises(SlotError) as trial:
            change()
        assert trial.value.code == ImageCode.NO_FREE_SLOT
    with pytest.raises(SlotError):
        slots.test(digest(OLD))


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (bundle(3, counter=0), SlotError),
        (bundle(3, counter=9, key=None), ImageError),
        (bundle(3, counter=9, key=SigningKey.generate()), ImageError),
        (NEW[:-1] + bytes([NEW[-1] ^ 1]), ImageError),
        (b"\x00" * 500, ImageError),
    ],
)
def test_a_refused_upload_leaves_the_slot_as_it_was(image: bytes, error: type[Exception]) -> None:
    slots = flashed(CutStorage(), OLD)
    upload(slots, NEW)
    with pytest.raises(error):
        upload(slots, image)
    assert slots.other and slots.other.digest == digest(NEW)
    with pytest.raises(SlotError) as unknown:
        slots.test(b"\x01" * 32)
    assert unknown.value.code == ImageCode.INVALID_HASH


def test_an_older_counter_is_refused_at_the_test_too() -> None:
    slots = flashed(CutStorage(), OLD)
    upload(slots, bundle(3, counter=1))
    slots.state = replace(slots.state, security_counter=2)
    with pytest.raises(SlotError) as older:
        slots.test(digest(bundle(3, counter=1)))
    assert older.value.code == ImageCode.OLDER_THAN_CONFIRMED


def test_a_damaged_active_image_is_replaced_by_the_other_with_the_reason() -> None:
    storage = CutStorage()
    slots = flashed(storage, bundle(1))
    upload(slots, bundle(2))
    slots.test(digest(bundle(2)), permanent=True)
    slots.reset()
    storage.names[f"{slots.state.active}.img"].written[100] ^= 1
    slots.reset()
    assert slots.active and slots.active.version == "1.0.0"
    assert slots.state.last_revert and "SHA-256" in slots.state.last_revert.reason


def test_an_unreadable_state_still_boots_what_is_sound() -> None:
    storage = CutStorage()
    flashed(storage, OLD)
    for copy in ("state-1", "state-2"):
        storage.names[copy].written[:] = b"\x00\x00"
    slots = Slots(storage, KEYS)
    assert slots.active and slots.active.version == "1.0.0"
    assert slots.state.security_counter == 1


def _flow(storage: CutStorage, rng: random.Random) -> None:
    """Upload, test, and then confirm or let it revert: one of the ways an update goes."""
    slots = Slots(storage, KEYS)
    if slots.on_trial:
        slots.reset()
    if slots.active and slots.active.digest == digest(NEW):
        return
    if not slots.state.pending:
        upload(slots, NEW, rng.randrange(10**9))
    slots.test(digest(NEW), permanent=rng.random() < 0.2)
    slots.reset()
    match rng.randrange(4):
        case 0:
            slots.fail("the self-test of the simulation failed")
            slots.reset()
        case 1:
            slots.reset()
        case _:
            slots.confirm()
            slots.reset()


def _check_after_cut(slots: Slots) -> None:
    assert slots.active is not None, "no bundle is left"
    assert slots.read_active() is not None
    assert slots.active.digest in (digest(OLD), digest(NEW))
    assert slots.state.security_counter in (1, 2)
    if slots.active.digest == digest(NEW) and not slots.state.confirmed:
        assert slots.other and slots.other.digest == digest(OLD), "the way back is gone"
    if slots.state.confirmed and slots.active.digest == digest(NEW):
        assert slots.state.security_counter == 2
    if slots.state.last_revert:
        assert slots.state.last_revert.reason in (
            NOT_CONFIRMED,
            "the self-test of the simulation failed",
        )


def _old_disk() -> dict[str, bytes]:
    storage = CutStorage()
    flashed(storage, OLD)
    return {name: bytes(file.written) for name, file in storage.names.items()}


def test_a_cut_at_every_single_operation_of_an_update() -> None:
    disk = _old_disk()
    whole = CutStorage(disk)
    _flow(whole, random.Random(3))
    assert whole.operations > 40
    for cut_at in range(whole.operations):
        for seed in range(3):
            storage = CutStorage(disk, cut_at)
            with pytest.raises(PowerCut):
                _flow(storage, random.Random(3))
            _check_after_cut(Slots(storage.after_cut(random.Random(seed)), KEYS))


@pytest.mark.parametrize("most", [150, pytest.param(1000, marks=pytest.mark.slow)])
def test_seeded_cuts_even_in_a_row_and_the_update_still_succeeds(most: int) -> None:
    disk, cuts, seed = _old_disk(), 0, 0
    while cuts < most:
        seed += 1
        rng = random.Random(seed)
        storage = CutStorage(disk, cut_at=rng.randrange(50))
        for _ in range(rng.choice([1, 1, 2, 3])):
            try:
                _flow(storage, rng)
                break
            except PowerCut:
                cuts += 1
                storage = storage.after_cut(rng, cut_at=rng.randrange(50))
        storage.cut_at = None
        slots = Slots(storage, KEYS)
        _check_after_cut(slots)
        if slots.active and slots.active.digest != digest(NEW):
            upload(slots, NEW)
            slots.test(digest(NEW))
            slots.reset()
        slots.confirm()
        slots.reset()
        assert slots.active and slots.active.digest == digest(NEW)


def test_an_upload_resumes_at_its_last_checkpoint_after_a_cut() -> None:
    payload = stored_zip.pack({"manifest.json": b"{}", "w": random.Random(1).randbytes(400_000)})
    image = mcuboot_image.build(payload, ImageVersion(2), 0, KEY)
    sha = hashlib.sha256(image).digest()
    storage = CutStorage()
    session = Upload(Slots(storage, KEYS))
    at = session.begin(len(image), sha)
    for turn in range(120):
        at = session.write(at, image[at : at + 2000], turn * 100_000_000)
    found = storage.after_cut(random.Random(5))
    session = Upload(Slots(found, KEYS))
    resumed = session.begin(len(image), sha)
    assert at - 64 * 1024 - 10 * 2000 < resumed <= at
    while resumed < len(image):
        resumed = session.write(resumed, image[resumed : resumed + 2000], 10**12)
    assert session.finish().digest == digest(image)


def test_a_file_that_is_there_already_is_recognised() -> None:
    slots = flashed(CutStorage(), OLD)
    upload(slots, NEW)
    session = Upload(slots)
    assert session.stored(len(NEW), hashlib.sha256(NEW).digest())
    assert not session.stored(len(NEW), hashlib.sha256(OLD).digest())
    assert not session.stored(len(NEW), b"")


def test_another_file_does_not_resume_and_chunks_in_any_order_make_the_file() -> None:
    session = Upload(Slots(CutStorage(), KEYS))
    session.begin(len(OLD), hashlib.sha256(OLD).digest())
    session.write(0, OLD[:300], 0)
    assert session.begin(len(NEW), hashlib.sha256(NEW).digest()) == 0
    order = list(range(0, len(NEW), CHUNK))
    for group in range(0, len(order), 4):
        for at in reversed(order[group : group + 4]):
            session.write(at, NEW[at : at + CHUNK], 0)
    assert session.offset == len(NEW)
    assert session.finish().version == "2.0.0"


@pytest.mark.parametrize("length", [0, -1, 1 << 32])
def test_impossible_lengths_are_refused(length: int) -> None:
    with pytest.raises(SlotError):
        Upload(Slots(CutStorage(), KEYS)).begin(length, b"")


def test_a_chunk_outside_the_file_is_refused_and_early_ones_are_bounded() -> None:
    session = Upload(Slots(CutStorage(), KEYS))
    with pytest.raises(SlotError):
        session.write(0, b"x", 0)
    session.begin(100_000, b"")
    with pytest.raises(SlotError):
        session.write(99_999, b"xx", 0)
    for at in range(1, 100_000, 100):
        session.write(at, b"x" * 90, 0)
    assert session.offset == 0
    jumps = 0
    for _ in range(400):
        before = session.offset
        jumps += session.write(before, b"y" * (10 if before else 1), 0) > before + 10
    assert 0 < jumps <= 16


def test_the_same_on_a_real_folder(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "slots")
    slots = Slots(storage, KEYS)
    upload(slots, OLD)
    slots.test(digest(OLD), permanent=True)
    slots = Slots(FolderStorage(tmp_path / "slots"), KEYS)
    assert slots.active and slots.active.version == "1.0.0"
    assert sorted(p.name for p in (tmp_path / "slots").iterdir()) == ["a.img", "state-1", "state-2"]
    storage.close()


def test_a_read_only_disk_still_boots(caplog: pytest.LogCaptureFixture) -> None:
    class ReadOnly(CutStorage):
        def create(self, name: str) -> None:
            raise OSError(30, "Read-only file system")

    found = CutStorage()
    flashed(found, OLD)
    slots = Slots(ReadOnly({n: bytes(f.written) for n, f in found.names.items()}), KEYS)
    assert slots.active and slots.active.version == "1.0.0"
    assert "Read-only" in caplog.text


def test_a_full_disk_is_a_refusal_and_the_upload_can_go_on(tmp_path: Path) -> None:
    class Full(CutStorage):
        room = 3

        def append(self, name: str, data: bytes) -> None:
            if name == "upload.part":
                self.room -= 1
                if self.room == 0:
                    raise OSError(28, "No space left on device")
            super().append(name, data)

    session = Upload(Slots(Full(), KEYS))
    at = session.begin(len(OLD), hashlib.sha256(OLD).digest())
    with pytest.raises(SlotError, match="No space left"):
        while True:
            at = session.write(at, OLD[at : at + CHUNK], 0)
    while at < len(OLD):
        at = session.write(at, OLD[at : at + CHUNK], 0)
    assert session.finish().version == "1.0.0"
