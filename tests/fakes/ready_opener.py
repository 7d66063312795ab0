"""A serial opener that says when the port is open: what a client writes before is lost."""

import threading

from edge_infer.firmware_bridge.device.port_opener import SerialOpener
from edge_infer.firmware_bridge.port import OpenPort


class ReadyOpener(SerialOpener):
    """Opens a serial device and tells whoever waits for it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._opened = threading.Event()

    def open(self) -> OpenPort:
        """Open the device, then say so."""
        port = super().open()
        self._opened.set()
        return port

    def wait(self) -> None:
        """Return once the port is open."""
        assert self._opened.wait(60), f"{self.name} was not opened"
