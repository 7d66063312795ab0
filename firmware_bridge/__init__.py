"""Bundles and power over a serial line: SMP server and client, slots, power log, MLPerf Tiny.

On the host, `Link(DescriptorPort(name))` talks to a device; `flash`, `LogReader` and
`RemoteEngine` work over it. On the device, `Server(Device(settings, keys), port_opener(name))`
serves one. PROTOCOL.md describes what goes over the line.
"""

from firmware_bridge.bundle_file import pack_bundle, sign_bundle_file, verify_bundle_file
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
from firmware_bridge.keys import SigningKey, TrustedKeys

__all__ = [
    "pack_bundle",
    "sign_bundle_file",
    "verify_bundle_file",
    "SigningKey",
    "TrustedKeys",
    "LinkError",
    "LinkTimeoutError",
    "LinkLostError",
    "FrameError",
    "DeviceRefusedError",
    "RolledBackError",
    "ImageError",
    "SlotError",
]
