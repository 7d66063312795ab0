"""A character device played by this process: the kernel's CUSE, include/uapi/linux/fuse.h.

Only what /dev/vcio needs: opened, closed, and one ioctl whose argument points to a message.
"""

import os
import struct
from collections.abc import Callable

DEVICE = "/dev/cuse"
REQUEST_BYTES = 1 << 17
"""More than the greatest write that is allowed, as the kernel wants it."""
IN_HEADER, OUT_HEADER = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
IOCTL_IN, IOCTL_OUT = struct.Struct("<QIIQII"), struct.Struct("<iIII")
RANGE = struct.Struct("<QQ")
OPEN, RELEASE, IOCTL, INIT = 14, 18, 39, 4096
UNRESTRICTED_IOCTL, RETRY = 1, 1 << 2
NOT_IMPLEMENTED = -38


class CharacterDevice:
    """A device of a name below /dev.

    Args:
        name: its name.
        message_bytes: length of what the argument of its ioctl points to.
        answer: from a message to the message that goes back.
    """

    def __init__(self, name: str, message_bytes: int, answer: Callable[[bytes], bytes]) -> None:
        self._message_bytes = message_bytes
        self._answer = answer
        self._descriptor = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
        _, unique, body = self._next()
        major, minor = struct.unpack_from("<II", body)
        reply = struct.pack("<IIIIII", major, minor, 0, UNRESTRICTED_IOCTL, 65_536, 65_536)
        self._reply(unique, reply + bytes(48) + f"DEVNAME={name}\0".encode())

    def serve(self) -> None:
        """Answer one request."""
        opcode, unique, body = self._next()
        if opcode == OPEN:
            self._reply(unique, bytes(16))
        elif opcode == RELEASE:
            self._reply(unique, b"")
        elif opcode == IOCTL:
            self._reply(unique, self._ioctl(body))
        else:
            self._reply(unique, b"", NOT_IMPLEMENTED)

    def _ioctl(self, body: bytes) -> bytes:
        _, _, _, argument, in_bytes, _ = IOCTL_IN.unpack_from(body)
        if not in_bytes:  # the kernel learns now what to bring, and asks again
            message = RANGE.pack(argument, self._message_bytes)
            return IOCTL_OUT.pack(0, RETRY, 1, 1) + 2 * message
        return IOCTL_OUT.pack(0, 0, 1, 1) + self._answer(body[IOCTL_IN.size :])

    def _next(self) -> tuple[int, int, bytes]:
        request = os.read(self._descriptor, REQUEST_BYTES)
        _, opcode, unique, *_ = IN_HEADER.unpack_from(request)
        return opcode, unique, request[IN_HEADER.size :]

    def _reply(self, unique: int, body: bytes, error: int = 0) -> None:
        head = OUT_HEADER.pack(OUT_HEADER.size + len(body), error, unique)
        os.write(self._descriptor, head + body)
