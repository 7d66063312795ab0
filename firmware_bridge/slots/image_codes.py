"""Error codes of the SMP image group."""

from enum import IntEnum


class ImageCode(IntEnum):
    """The codes that slots and uploads answer with (Zephyr, img_mgmt.h)."""

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
