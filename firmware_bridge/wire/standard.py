"""The groups that Zephyr documents: operating system, images, enumeration; and the general codes.

Zephyr documentation, "SMP Protocol Specification", "Default/OS Management Group",
"Application/software image management group", "Enumeration Management". Image 0 is the bundle;
slot 0 the one that runs, slot 1 the other.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from edge_infer.firmware_bridge.wire.command import Command, Empty, Fields, Group, Op


class Code(IntEnum):
    """General error codes; a code of a group of its own counts from its own 0."""

    OK = 0
    UNKNOWN = 1
    NO_MEMORY = 2
    INVALID = 3
    TIMEOUT = 4
    NO_ENTRY = 5
    BAD_STATE = 6
    TOO_LARGE = 7
    NOT_SUPPORTED = 8
    CORRUPT = 9
    BUSY = 10
    ACCESS_DENIED = 11


# --- group 0, operating system ---


class OsCommand(IntEnum):
    """Commands of group 0."""

    ECHO = 0
    RESET = 5
    PARAMETERS = 6
    INFO = 7
    BOOTLOADER = 8


class OsCode(IntEnum):
    """Error codes of group 0 (Zephyr, os_mgmt.h)."""

    INVALID_FORMAT = 2
    NO_ANSWER = 3


@dataclass(frozen=True, slots=True)
class Echo(Fields):
    """A text to send back."""

    text: Annotated[str, "d"]


@dataclass(frozen=True, slots=True)
class Echoed(Fields):
    """The text."""

    text: Annotated[str, "r"]


@dataclass(frozen=True, slots=True)
class Parameters(Fields):
    """What may be on the way to a device."""

    buffer_bytes: Annotated[int, "buf_size"]
    """Longest message."""
    buffer_count: Annotated[int, "buf_count"]
    """Messages at once."""


@dataclass(frozen=True, slots=True)
class SystemQuery(Fields):
    """Letters of what to tell about the system, as `uname` has them."""

    format: str = "s"


@dataclass(frozen=True, slots=True)
class SystemText(Fields):
    """What was asked for, in words."""

    output: str


@dataclass(frozen=True, slots=True)
class BootloaderQuery(Fields):
    """What to tell about the boot loader; its name unless given."""

    query: str | None = None


@dataclass(frozen=True, slots=True)
class Bootloader(Fields):
    """Who swaps images."""

    name: Annotated[str, "bootloader"]


ECHO = Command(Group.OS, OsCommand.ECHO, Op.WRITE, Echo, Echoed)
ECHO_READ = Command(Group.OS, OsCommand.ECHO, Op.READ, Echo, Echoed)
RESET = Command(Group.OS, OsCommand.RESET, Op.WRITE, Empty, Empty)
PARAMETERS = Command(Group.OS, OsCommand.PARAMETERS, Op.READ, Empty, Parameters)
SYSTEM = Command(Group.OS, OsCommand.INFO, Op.READ, SystemQuery, SystemText)
BOOTLOADER = Command(Group.OS, OsCommand.BOOTLOADER, Op.READ, BootloaderQuery, Bootloader)


# --- group 1, images ---


class ImageCommand(IntEnum):
    """Commands of group 1."""

    STATE = 0
    UPLOAD = 1
    ERASE = 5


class ImageCode(IntEnum):
    """Error codes of group 1 that slots and uploads answer with (Zephyr, img_mgmt.h)."""

    NO_IMAGE = 3
    NO_FREE_SLOT = 9
    WRITE_FAILED = 12
    INVALID_SLOT = 14
    INVALID_OFFSET = 20
    INVALID_LENGTH = 21
    INVALID_HASH = 24
    OLDER_THAN_CONFIRMED = 27
    ALREADY_PENDING = 28
    TOO_LARGE = 30
    OVERRUN = 31
    CONFIRMATION_DENIED = 32
    TEST_OF_ACTIVE_DENIED = 33


NOT_CONFIRMED = "not confirmed before the reset"
"""Reason of a revert that nothing but a reset in the middle of a trial brought."""
NO_UPLOAD = "no upload is under way"
"""Begins the reason of a refused chunk where the device was started anew in mid-upload: in version
0 of the protocol a refusal has no code of its own for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEntry(Fields):
    """What stands in a slot."""

    image: int = 0
    slot: int
    version: str
    digest: Annotated[bytes, "hash"] = b""
    bootable: bool = False
    pending: bool = False
    """The next reset tries it."""
    active: bool = False
    permanent: bool = False
    """Pending, and stays without a confirmation."""
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Images(Fields):
    """The slots that hold something."""

    images: tuple[ImageEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class SetImageState(Fields):
    """Let the next reset try the image of a digest; or, to confirm, keep it."""

    digest: Annotated[bytes | None, "hash"] = None
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class Chunk(Fields):
    """A piece of an upload; the first carries the length and SHA-256 of the whole file."""

    offset: Annotated[int, "off"]
    data: bytes = b""
    image: int | None = None
    length: Annotated[int | None, "len"] = None
    sha: bytes | None = None


@dataclass(frozen=True, slots=True)
class UploadProgress(Fields):
    """The next byte wanted; with the last, that the file is whole and sound."""

    offset: Annotated[int, "off"]
    match: bool | None = None


@dataclass(frozen=True, slots=True)
class Erase(Fields):
    """The slot to empty."""

    slot: int = 1


IMAGES = Command(Group.IMAGE, ImageCommand.STATE, Op.READ, Empty, Images)
SET_IMAGE_STATE = Command(Group.IMAGE, ImageCommand.STATE, Op.WRITE, SetImageState, Images)
UPLOAD = Command(Group.IMAGE, ImageCommand.UPLOAD, Op.WRITE, Chunk, UploadProgress)
ERASE = Command(Group.IMAGE, ImageCommand.ERASE, Op.WRITE, Erase, Empty)


# --- group 10, enumeration ---


class EnumerationCommand(IntEnum):
    """Commands of group 10."""

    COUNT = 0
    LIST = 1
    SINGLE = 2
    DETAILS = 3


class EnumerationCode(IntEnum):
    """Error codes of group 10 (Zephyr, enum_mgmt.h)."""

    INDEX_TOO_LARGE = 4


@dataclass(frozen=True, slots=True)
class GroupCount(Fields):
    """How many groups a device speaks."""

    count: int


@dataclass(frozen=True, slots=True)
class GroupList(Fields):
    """Their numbers."""

    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GroupIndex(Fields):
    """Which of them, from 0."""

    index: int = 0


@dataclass(frozen=True, slots=True)
class SingleGroup(Fields):
    """Its number, and whether it is the last."""

    group: int
    end: bool | None = None


@dataclass(frozen=True, slots=True)
class GroupsWanted(Fields):
    """Of which groups to tell; all unless given."""

    groups: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class GroupDetail(Fields):
    """A group by name, and how many commands it has."""

    group: int
    name: str
    handlers: int


@dataclass(frozen=True, slots=True)
class GroupDetails(Fields):
    """What was asked for."""

    groups: tuple[GroupDetail, ...]


GROUP_COUNT = Command(Group.ENUMERATION, EnumerationCommand.COUNT, Op.READ, Empty, GroupCount)
GROUP_LIST = Command(Group.ENUMERATION, EnumerationCommand.LIST, Op.READ, Empty, GroupList)
SINGLE_GROUP = Command(
    Group.ENUMERATION, EnumerationCommand.SINGLE, Op.READ, GroupIndex, SingleGroup
)
GROUP_DETAILS = Command(
    Group.ENUMERATION, EnumerationCommand.DETAILS, Op.READ, GroupsWanted, GroupDetails
)

COMMANDS = (
    ECHO, ECHO_READ, RESET, PARAMETERS, SYSTEM, BOOTLOADER,
    IMAGES, SET_IMAGE_STATE, UPLOAD, ERASE,
    GROUP_COUNT, GROUP_LIST, SINGLE_GROUP, GROUP_DETAILS,
)  # fmt: skip
"""All commands of these groups."""
