"""The groups that Zephyr documents, on a device: operating system, images, enumeration.

0: echo, reset, buffer parameters, who runs here. 1: what the slots hold, upload, test, confirm,
erase; `test` is answered once the self-test has passed. 10: which groups there are.
"""

import os
import platform
from collections.abc import Callable, Sequence
from typing import Protocol

from edge_infer.firmware_bridge.errors import ImageError, SlotError
from edge_infer.firmware_bridge.slots.image_files import SlotImage
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.slots.upload import Upload
from edge_infer.firmware_bridge.smp.agent import (
    BUFFER_BYTES,
    BUFFER_COUNT,
    CommandGroup,
    Later,
    RefusalError,
    on,
)
from edge_infer.firmware_bridge.wire import standard as wire
from edge_infer.firmware_bridge.wire.command import Empty, Group
from edge_infer.firmware_bridge.wire.standard import Code, EnumerationCode, ImageCode, OsCode

_TEST_ANSWER_NS = 2_000_000_000
"""A self-test that takes longer is answered with BUSY: clients give up after 2.5 s and more."""

_GENERAL = {
    ImageCode.NO_IMAGE: Code.NO_ENTRY,
    ImageCode.INVALID_HASH: Code.NO_ENTRY,
    ImageCode.WRITE_FAILED: Code.NO_MEMORY,
    ImageCode.TOO_LARGE: Code.NO_MEMORY,
    ImageCode.INVALID_SLOT: Code.INVALID,
    ImageCode.INVALID_OFFSET: Code.INVALID,
    ImageCode.INVALID_LENGTH: Code.INVALID,
    ImageCode.OVERRUN: Code.INVALID,
}
"""Codes for the first protocol version; BAD_STATE where none is here."""


def os_group(reset: Callable[[], None]) -> CommandGroup:
    """Return the group; `reset` is called when the device shall reset after this answer."""

    def on_reset(request: Empty, now_ns: int) -> Empty:
        reset()
        return request

    parameters = wire.Parameters(BUFFER_BYTES, BUFFER_COUNT)
    return CommandGroup(
        Group.OS,
        "os",
        dict(
            [
                on(wire.ECHO, _echo),
                on(wire.ECHO_READ, _echo),
                on(wire.RESET, on_reset),
                on(wire.PARAMETERS, lambda request, now_ns: parameters),
                on(wire.SYSTEM, _system),
                on(wire.BOOTLOADER, _bootloader),
            ]
        ),
    )


def _echo(request: wire.Echo, now_ns: int) -> wire.Echoed:
    return wire.Echoed(request.text)


def _system(request: wire.SystemQuery, now_ns: int) -> wire.SystemText:
    system, asked = os.uname(), request.format
    known = {
        "s": system.sysname,
        "n": system.nodename,
        "r": system.release,
        "v": system.version,
        "m": system.machine,
        "p": platform.processor() or "unknown",
        "i": system.machine,
        "o": "edge-infer",
    }
    if not asked or not set(asked) <= {*known, "a"}:
        raise RefusalError(
            Code.INVALID, f"format {asked!r}: of {''.join(known)}a", OsCode.INVALID_FORMAT
        )
    wanted = known.values() if "a" in asked else [v for k, v in known.items() if k in asked]
    return wire.SystemText(" ".join(wanted))


def _bootloader(request: wire.BootloaderQuery, now_ns: int) -> wire.Bootloader:
    """Our slots are their own boot loader; there is no mode to tell."""
    if request.query is not None:
        raise RefusalError(Code.NO_ENTRY, "no such query", OsCode.NO_ANSWER)
    return wire.Bootloader("edge-infer")


class SelfTests(Protocol):
    """Tries images before they may run, beside the agent."""

    def start(self, digest: bytes) -> None:
        """Begin the self-test of the other slot's image unless it is under way or done."""
        ...

    def verdict(self, digest: bytes) -> str | None:
        """Return "" when the image passed, why it did not, None while that is not known."""
        ...

    def close(self) -> None:
        """End a test that still runs. May be called twice."""
        ...


class ImageGroup:
    """Answers for two slots, one upload and their self-tests."""

    def __init__(self, slots: Slots, upload: Upload, tests: SelfTests) -> None:
        self._slots = slots
        self._upload = upload
        self._tests = tests
        self._finished_bytes = 0
        """Length of the upload that was completed last: answers get lost, chunks come twice."""

    def group(self) -> CommandGroup:
        """Return the commands."""
        return CommandGroup(
            Group.IMAGE,
            "img",
            dict(
                [
                    on(wire.IMAGES, lambda request, now_ns: self._images()),
                    on(wire.SET_IMAGE_STATE, self._set_state),
                    on(wire.UPLOAD, self._take_chunk),
                    on(wire.ERASE, self._erase),
                ]
            ),
        )

    def _images(self) -> wire.Images:
        state = self._slots.state
        images = []
        if active := self._slots.active:
            images.append(_entry(0, active, active=True, confirmed=state.confirmed))
        if other := self._slots.other:
            pending = state.pending
            images.append(
                _entry(
                    1,
                    other,
                    pending=pending is not None,
                    permanent=pending is not None and pending.permanent,
                    confirmed=state.fallback,
                )
            )
        return wire.Images(tuple(images))

    def _set_state(
        self, request: wire.SetImageState, now_ns: int
    ) -> wire.Images | Later[wire.Images]:
        digest, confirm = request.digest or b"", request.confirm
        active = self._slots.active
        if confirm and (not digest or (active and digest == active.digest)):
            _allowed(self._slots.confirm)
            return self._images()
        if not digest:
            raise _refused(SlotError(ImageCode.INVALID_HASH, "test needs the hash of an image"))
        other = self._slots.other
        if other is None or digest != other.digest:
            _allowed(lambda: self._slots.test(digest))  # refuses, with the right reason
        self._tests.start(digest)
        return Later(lambda time_ns: self._tested(digest, confirm, time_ns - now_ns))

    def _tested(self, digest: bytes, permanent: bool, waited_ns: int) -> wire.Images | None:
        verdict = self._tests.verdict(digest)
        if verdict is None:
            if waited_ns > _TEST_ANSWER_NS:
                raise RefusalError(Code.BUSY, "the self-test of the bundle still runs: ask again")
            return None
        if verdict:
            raise RefusalError(
                Code.BAD_STATE, f"self-test: {verdict}", ImageCode.TEST_OF_ACTIVE_DENIED
            )
        _allowed(lambda: self._slots.test(digest, permanent=permanent))
        return self._images()

    def _take_chunk(self, chunk: wire.Chunk, now_ns: int) -> wire.UploadProgress:
        if chunk.image:
            raise _refused(SlotError(ImageCode.INVALID_SLOT, "there is image 0 only"))
        if chunk.offset == 0 and chunk.length is not None:
            length, sha = chunk.length, chunk.sha or b""
            if self._upload.stored(length, sha):
                self._finished_bytes = length
                return wire.UploadProgress(length, match=True)
            _allowed(lambda: self._upload.begin(length, sha))
        elif not self._upload.length and chunk.offset + len(chunk.data) <= self._finished_bytes:
            return wire.UploadProgress(self._finished_bytes, match=True)
        return self._write(chunk, now_ns)

    def _write(self, chunk: wire.Chunk, now_ns: int) -> wire.UploadProgress:
        try:
            wanted = self._upload.write(chunk.offset, chunk.data, now_ns)
            length = self._upload.length
            if wanted < length:
                return wire.UploadProgress(wanted)
            image = self._upload.finish()
        except (SlotError, ImageError) as error:
            raise _refused(error) from error
        self._finished_bytes = length
        self._tests.start(image.digest)
        return wire.UploadProgress(length, match=True)

    def _erase(self, request: wire.Erase, now_ns: int) -> Empty:
        if request.slot != 1:
            raise _refused(SlotError(ImageCode.INVALID_SLOT, "only slot 1 can be erased"))
        _allowed(self._slots.erase)
        self._upload.drop()
        return Empty()


def _entry(slot: int, image: SlotImage, **flags: bool) -> wire.ImageEntry:
    return wire.ImageEntry(slot=slot, version=image.version, digest=image.digest, **flags)


def _allowed(change: Callable[[], object]) -> None:
    try:
        change()
    except SlotError as error:
        raise _refused(error) from error


def _refused(error: SlotError | ImageError) -> RefusalError:
    if isinstance(error, ImageError):
        return RefusalError(Code.CORRUPT, str(error), ImageCode.INVALID_HASH)
    general = _GENERAL.get(ImageCode(error.code), Code.BAD_STATE)
    return RefusalError(general, str(error), error.code)


def enumeration_group(others: Sequence[CommandGroup]) -> CommandGroup:
    """Return the group that lists `others` and itself."""
    known = {group.number: (group.name, len(group.handlers)) for group in others}
    known[Group.ENUMERATION] = ("enum", 4)
    numbers = tuple(sorted(int(number) for number in known))

    def single(request: wire.GroupIndex, now_ns: int) -> wire.SingleGroup:
        if request.index >= len(numbers):
            reason = f"{len(numbers)} groups"
            raise RefusalError(Code.INVALID, reason, EnumerationCode.INDEX_TOO_LARGE)
        last = request.index == len(numbers) - 1
        return wire.SingleGroup(numbers[request.index], last or None)

    def details(request: wire.GroupsWanted, now_ns: int) -> wire.GroupDetails:
        asked = numbers if request.groups is None else request.groups
        return wire.GroupDetails(
            tuple(wire.GroupDetail(number, *known[number]) for number in numbers if number in asked)
        )

    return CommandGroup(
        Group.ENUMERATION,
        "enum",
        dict(
            [
                on(wire.GROUP_COUNT, lambda request, now_ns: wire.GroupCount(len(numbers))),
                on(wire.GROUP_LIST, lambda request, now_ns: wire.GroupList(numbers)),
                on(wire.SINGLE_GROUP, single),
                on(wire.GROUP_DETAILS, details),
            ]
        ),
    )
