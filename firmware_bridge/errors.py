"""What can go wrong between a host and a device, by who is at fault."""


class LinkError(Exception):
    """The line or the device at its end cannot do what was asked. The message says what to try."""


class LinkTimeoutError(LinkError, TimeoutError):
    """The device stayed silent, however often it was asked."""


class LinkLostError(LinkError, OSError):
    """The port cannot be opened, or went away while it was in use."""


class FrameError(LinkError, ValueError):
    """Bytes that are not a frame or not a message: damaged, too long, or another protocol."""


class DeviceRefusedError(LinkError):
    """The device understood and refused; carries the SMP group, the code and the reason."""

    def __init__(self, group: int, code: int, reason: str) -> None:
        super().__init__(reason)
        self.group = group
        self.code = code


class RolledBackError(LinkError):
    """The device went back to the bundle that it ran before."""


class WrongBoardError(LinkError):
    """The board at the end of a line is not the one that was stated."""


class ImageError(ValueError):
    """A bundle file, its signature or its key cannot be trusted or read."""


class SlotError(Exception):
    """A slot does not allow this now; carries the code of the SMP image group."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
