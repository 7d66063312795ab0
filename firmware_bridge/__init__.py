"""Bundles and power over a serial line: SMP server and client, slots, power log, MLPerf Tiny.

On the host, `Link(DescriptorPort(name))` talks to a device; `flash`, `LogReader` and
`RemoteEngine` work over it (host/). On the device, `Server(Device(settings, keys),
port_opener(name))` serves one (device/, with slots/ and worker/). `pack_bundle` and
`verify_bundle_file` (image/) make and check what is flashed. Both sides share wire/ (what goes over
the line: numbers, keys, maps), smp/ (messages, framings, either side of a conversation) and port.
PROTOCOL.md describes what goes over the line to people, firmware/ is the device side in C.

Only the errors are imported here: a run on this board needs neither a line nor cryptography.
"""

from edge_infer.firmware_bridge.errors import (
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
