"""Two slots for bundle files: test, confirm, and revert when nobody confirms.

The rules are MCUboot's (documentation, "Bootloader design", image swapping and testing): a new
image runs on trial after one reset; what is not confirmed is reverted by the next. Three differ,
each because of a known fault there: the reason of a revert is kept; the security counter rises
only on a confirmation; a first image without anything to go back to is never reverted.

A swap is one atomic replacement of the state: no image is ever moved, so a power cut leaves the
old bundle or the new one.
"""

import logging
from dataclasses import replace

from edge_infer.firmware_bridge.errors import ImageError, SlotError
from edge_infer.firmware_bridge.image.keys import TrustedKeys
from edge_infer.firmware_bridge.image.mcuboot_image import Image
from edge_infer.firmware_bridge.slots.image_files import ImageFiles, SlotImage
from edge_infer.firmware_bridge.slots.slot_state import (
    Pending,
    Revert,
    SlotState,
    load_state,
    save_state,
)
from edge_infer.firmware_bridge.slots.slot_storage import SlotStorage
from edge_infer.firmware_bridge.wire.standard import NOT_CONFIRMED, ImageCode

NAMES = ("a", "b")

_log = logging.getLogger(__name__)


class Slots:
    """The two slots. Construction counts as a reset: it swaps, reverts and checks."""

    def __init__(
        self, storage: SlotStorage, keys: TrustedKeys, *, allow_unsigned: bool = False
    ) -> None:
        self.storage = storage
        self._files = ImageFiles(storage, keys, allow_unsigned=allow_unsigned)
        self._images: dict[str, SlotImage | None] = {}
        self._damage: dict[str, str] = {}
        self.state = SlotState()
        self._generation = 0
        self.found: tuple[str, ...] = ()
        """What was wrong with the files at the last reset, one line each."""
        self.reset()

    @property
    def active(self) -> SlotImage | None:
        """The image that runs, or None before the first."""
        return self._images.get(self.state.active)

    @property
    def other(self) -> SlotImage | None:
        """The image in the other slot."""
        return self._images[self._other_name]

    @property
    def on_trial(self) -> bool:
        """True while a reset would go back to the bundle before."""
        return bool(self.state.active) and not self.state.confirmed and self.state.fallback

    @property
    def other_file(self) -> str:
        """Name in storage of the other slot's file."""
        return _file(self._other_name)

    @property
    def _other_name(self) -> str:
        return NAMES[1] if self.state.active == NAMES[0] else NAMES[0]

    def read_active(self) -> Image | None:
        """Return the active image with its payload, checked again."""
        return self._files.read(_file(self.state.active)) if self.active else None

    def read_other(self) -> Image | None:
        """Return the other slot's image with its payload, checked again."""
        return self._files.read(self.other_file) if self.other else None

    def reset(self) -> None:
        """Swap in what is pending, or revert what was not confirmed; then check what runs."""
        self._damage.clear()
        self._images = {name: self._look(name) for name in NAMES}
        stored = load_state(self.storage)
        self._generation = stored.generation
        damaged = [f"slot {name}: {why}" for name, why in self._damage.items()]
        self.found = (*stored.found, *damaged)
        for what in self.found:
            _log.warning("found damaged: %s", what)
        state = stored.state or self._recovered()
        state = replace(state, resets=state.resets + 1)
        self.state = state = self._swapped(state)
        if state.active and self._images[state.active] is None:
            state = self._without_damaged(state)
        self.state = state
        try:
            self._save(state)
        except OSError as error:
            # A bundle runs all the same; the next reset decides the same again.
            _log.error("the slot state could not be stored: %s", error)

    def _recovered(self) -> SlotState:
        """Return a state for images whose own was destroyed: the newest sound one runs.

        By its security counter, so that a destroyed state is no way around that.
        """
        sound = [(image.security_counter, name) for name in NAMES if (image := self._images[name])]
        if not sound:
            return SlotState()
        counter, name = max(sound, key=lambda each: each[0])
        return SlotState(
            active=name,
            confirmed=True,
            security_counter=counter,
            last_revert=Revert("", "", "the stored slot state was unreadable"),
        )

    def _swapped(self, state: SlotState) -> SlotState:
        self.state = state
        if state.pending:
            return self._swapped_in(state, state.pending)
        if self.on_trial and self.other:
            return self._reverted(state, state.revert_reason or NOT_CONFIRMED)
        return state

    def _swapped_in(self, state: SlotState, pending: Pending) -> SlotState:
        state = replace(state, pending=None)
        new = self.other
        if new is None or new.digest.hex() != pending.digest:
            return state
        if pending.rollback_reason:
            return self._reverted(state, pending.rollback_reason)
        counter = new.security_counter if pending.permanent else 0
        return replace(
            state,
            active=self._other_name,
            confirmed=pending.permanent,
            fallback=state.confirmed,
            security_counter=max(state.security_counter, counter),
        )

    def _reverted(self, state: SlotState, reason: str) -> SlotState:
        gone = self.active
        digest, version = (gone.digest.hex(), gone.version) if gone else ("", "")
        return replace(
            state,
            active=self._other_name,
            confirmed=True,
            fallback=False,
            revert_reason="",
            last_revert=Revert(digest, version, reason),
        )

    def _without_damaged(self, state: SlotState) -> SlotState:
        """Return a state that runs the other image, or none, instead of a damaged one."""
        reason = f"slot {state.active}: {self._damage.get(state.active, 'no image')}"
        other = self.other
        if other and other.security_counter >= state.security_counter:
            return self._reverted(state, reason)
        return replace(
            state, active="", confirmed=False, fallback=False, last_revert=Revert("", "", reason)
        )

    def check_writable(self) -> None:
        """Raise SlotError while the other slot is spoken for."""
        if self.state.pending:
            raise SlotError(
                ImageCode.ALREADY_PENDING,
                "the other slot's bundle is pending: reset the device first",
            )
        if self.on_trial:
            raise SlotError(
                ImageCode.NO_FREE_SLOT,
                "the bundle that runs is on trial and the other slot is its way back: "
                "confirm it, or reset to go back",
            )

    def accept(self, uploaded: str) -> SlotImage:
        """Make the synced file `uploaded` the other slot's image.

        Raises ImageError when it is not sound or trusted, SlotError when it is older than what
        was confirmed; the slot then keeps what it had.
        """
        self.check_writable()
        image = self._files.describe(uploaded)
        self._check_counter(image)
        self.storage.rename(uploaded, self.other_file)
        self.storage.sync_folder()
        self._images[self._other_name] = image
        return image

    def erase(self) -> None:
        """Empty the other slot. Raises SlotError while it is needed."""
        self.check_writable()
        self.storage.remove(self.other_file)
        self.storage.sync_folder()
        self._images[self._other_name] = None

    def test(self, digest: bytes, *, permanent: bool = False) -> None:
        """Let the next reset run the other slot's image, on trial or for good.

        Raises SlotError when `digest` does not name it, or when this is not the time.
        """
        if self.active and digest == self.active.digest:
            if permanent:
                return self.confirm()
            raise SlotError(ImageCode.TEST_OF_ACTIVE_DENIED, "this bundle runs already")
        if self.other is None or digest != self.other.digest:
            raise SlotError(ImageCode.INVALID_HASH, f"no slot holds {digest.hex()[:16]}")
        if self.on_trial:
            raise SlotError(
                ImageCode.ALREADY_PENDING,
                "the bundle that runs is on trial: confirm it, or reset to go back",
            )
        self._check_counter(self.other)
        self._save(replace(self.state, pending=Pending(digest.hex(), permanent)))
        return None

    def confirm(self) -> None:
        """Keep the image that runs; from now on none with a lower security counter is taken.

        Raises SlotError when nothing runs, or when its failure already decided the revert.
        """
        if self.active is None:
            raise SlotError(ImageCode.NO_IMAGE, "no bundle runs: flash one first")
        if self.state.revert_reason:
            raise SlotError(
                ImageCode.CONFIRMATION_DENIED,
                f"the bundle failed ({self.state.revert_reason}) and reverts at the next reset",
            )
        counter = max(self.state.security_counter, self.active.security_counter)
        confirmed = replace(self.state, confirmed=True, fallback=False, security_counter=counter)
        if confirmed != self.state:
            self._save(confirmed)

    def roll_back(self, reason: str) -> None:
        """Let the next reset go back to the other slot's image.

        Raises SlotError when there is none, or it is older than what was confirmed.
        """
        if self.on_trial:
            return self.fail(reason)
        if self.other is None:
            raise SlotError(ImageCode.NO_IMAGE, "the other slot holds nothing to go back to")
        self._check_counter(self.other)
        self._save(replace(self.state, pending=Pending(self.other.digest.hex(), True, reason)))
        return None

    def fail(self, reason: str) -> None:
        """Note that the image on trial failed: the next reset reverts it, with this reason."""
        if self.on_trial and not self.state.revert_reason:
            self._save(replace(self.state, revert_reason=reason))

    def _check_counter(self, image: SlotImage) -> None:
        if image.security_counter < self.state.security_counter:
            raise SlotError(
                ImageCode.OLDER_THAN_CONFIRMED,
                f"security counter {image.security_counter} is below the confirmed "
                f"{self.state.security_counter}: sign a newer bundle",
            )

    def _save(self, state: SlotState) -> None:
        save_state(self.storage, state, self._generation + 1)
        self._generation += 1
        self.state = state

    def _look(self, name: str) -> SlotImage | None:
        try:
            if self.storage.size(_file(name)) is None:
                return None
            return self._files.describe(_file(name))
        except (ImageError, OSError) as error:
            self._damage[name] = str(error)
            return None


def _file(name: str) -> str:
    return f"{name}.img"
