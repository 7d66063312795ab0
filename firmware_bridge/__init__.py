"""Bundles and power over a serial line: SMP server and client, slots, power log, MLPerf Tiny.

On the host, `Link(DescriptorPort(name))` talks to a device; `flash`, `LogReader` and
`RemoteEngine` work over it. On the device, `Server(Device(settings, keys), port_opener(name))`
serves one. `pack_bundle` and `verify_bundle_file` (bundle_file) make and check what is flashed.
PROTOCOL.md describes what goes over the line.

Only the errors are imported here: a run on this board needs neither a line nor cryptography.
"""

from firmware_bridge.errors import (
    DeviceRefusedError,
    FrameError,
    ImageError,
    LinkError,
    LinkLostError,
    LinkTimeoutError,
    RolledBackError,
    SlotError,
)

__all__ = [
    "LinkError",
    "LinkTimeoutError",
    "LinkLostError",
    "FrameError",
    "DeviceRefusedError",
    "RolledBackError",
    "ImageError",
    "SlotError",
]
