"""The host's way to put a bundle on a device: upload, read back, test, reset, look, confirm."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge_infer.firmware_bridge.errors import (
    DeviceRefusedError,
    ImageError,
    LinkTimeoutError,
    RolledBackError,
)
from edge_infer.firmware_bridge.host.link import RETRIES, Link, Progress
from edge_infer.firmware_bridge.image import mcuboot_image
from edge_infer.firmware_bridge.wire.command import Empty
from edge_infer.firmware_bridge.wire.edge import INFO, DeviceInfo
from edge_infer.firmware_bridge.wire.standard import (
    IMAGES,
    PARAMETERS,
    RESET,
    SET_IMAGE_STATE,
    Code,
    ImageEntry,
    SetImageState,
)

SELF_TEST_NS = 150_000_000_000
START_NS = 60_000_000_000
"""How long a device may take to run a bundle after a reset: interpreters load slowly on some."""
_LOOK_EVERY_NS = 300_000_000

Say = Callable[[str], None]
"""Called with each step as it begins."""


@dataclass(frozen=True, slots=True)
class FlashReport:
    """What a flash came to."""

    version: str
    digest: str
    sent_bytes: int
    """0 when the device had the file already."""
    seconds: float
    resent_chunks: int
    reconnects: int
    confirmed: bool


def flash(
    link: Link,
    file: bytes,
    *,
    confirm: bool = False,
    progress: Progress = lambda done, total: None,
    say: Say = lambda step: None,
) -> FlashReport:
    """Flash a bundle file and see it run; with `confirm`, for good.

    Raises:
        ImageError: `file` is no bundle file, or the device does not hold it afterwards.
        RolledBackError: the device gave the bundle up, with its reason.
        DeviceRefusedError: the device refused it, with its reason.
        LinkTimeoutError, LinkLostError: the device is silent or gone.
    """
    image = mcuboot_image.parse(file)
    start_ns = link.port.now_ns()
    active = slot_of(images(link), 0)
    sent, resent = 0, 0
    if active is None or active.digest != image.digest:
        say("upload")
        sender = link.upload(file, progress)
        sent, resent = len(file), sender.resent
        _check_read_back(link, image.digest)
        say("self-test")
        if mark(link, image.digest):
            say("reset")
            reset(link)
        wait_until_runs(link, image.digest)
    if confirm:
        say("confirm")
        link.ask(SET_IMAGE_STATE, SetImageState(confirm=True))
    now = slot_of(images(link), 0)
    return FlashReport(
        str(image.version),
        image.digest.hex(),
        sent,
        (link.port.now_ns() - start_ns) / 1e9,
        resent,
        link.reconnects,
        bool(now and now.confirmed),
    )


def images(link: Link) -> tuple[ImageEntry, ...]:
    """Return the entries of the device's slots. Raises as `Link.ask`."""
    return link.ask(IMAGES, Empty()).images


def slot_of(entries: Iterable[ImageEntry], slot: int) -> ImageEntry | None:
    """Return the entry of a slot of image 0, None when it is empty."""
    return next((entry for entry in entries if entry.slot == slot and not entry.image), None)


def mark(link: Link, digest: bytes) -> bool:
    """Let the next reset try the image, once its self-test has passed. Raises as `Link.ask`.

    Returns whether that reset is still to come: a power cut may have been it.
    """
    try:
        link.ask_until_ready(SET_IMAGE_STATE, SetImageState(digest), within_ns=SELF_TEST_NS)
    except DeviceRefusedError:
        active = slot_of(images(link), 0)
        if active is None or active.digest != digest:
            raise
        return False
    return True


def reset(link: Link) -> None:
    """Reset the device, once: where no answer came, its own count says whether it happened."""
    before = edge_info(link)
    for _ in range(1 + RETRIES):
        try:
            link.ask(RESET, Empty(), retries=0)
            return
        except LinkTimeoutError:
            link.ask(PARAMETERS, Empty(), retries=20)
        after = edge_info(link)
        if before is None or after is None or after.resets != before.resets:
            return
    raise LinkTimeoutError(f"{link.port.name}: no reset of {1 + RETRIES} reaches the device")


def wait_until_runs(link: Link, digest: bytes) -> None:
    """Return when the image runs. Raises RolledBackError when the device went back."""
    end_ns = link.port.now_ns() + START_NS
    while True:
        info = edge_info(link)
        active = slot_of(images(link), 0)
        if active is None or active.digest != digest:
            revert = info.revert if info else None
            reason = revert.reason if revert else "the device does not say why"
            raise RolledBackError(f"the device went back to the bundle before: {reason}")
        if info is None or info.run is not None:
            return
        if link.port.now_ns() > end_ns:
            why = info.failure or "it does not say why"
            raise LinkTimeoutError(f"the bundle did not start in {START_NS // 10**9} s: {why}")
        link.pause(_LOOK_EVERY_NS)


def edge_info(link: Link) -> DeviceInfo | None:
    """Return what our own group's INFO says; None from a device that lacks the group."""
    try:
        return link.ask(INFO, Empty())
    except DeviceRefusedError as refusal:
        if refusal.code != Code.NOT_SUPPORTED:
            raise
        return None


def _check_read_back(link: Link, digest: bytes) -> None:
    other = slot_of(images(link), 1)
    if other is None or other.digest != digest:
        held = other.digest.hex()[:16] if other else "nothing"
        raise ImageError(f"the device holds {held} after the upload, not {digest.hex()[:16]}")
