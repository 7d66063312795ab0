"""The serial figures that need real time: `make bench-serial`. Takes about five minutes.

A real port (two terminals joined by a thread that keeps the pace), real processes on both sides.
Prints one JSON line a case; exits 1 when a figure misses its bound.
"""

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks.streaming import streaming_overhead
from tests.fakes.bridge_device import KEY, BridgeDevice, bundle_file
from tests.fakes.pty_line import PtyLine

from edge_infer.firmware_bridge.device.port_opener import SerialOpener
from edge_infer.firmware_bridge.device.server import Server
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.image.keys import TrustedKeys
from edge_infer.firmware_bridge.port import DescriptorPort
from edge_infer.firmware_bridge.slots.slot_storage import FolderStorage
from edge_infer.firmware_bridge.smp.framing import Framing
from edge_infer.firmware_bridge.wire.command import Empty
from edge_infer.firmware_bridge.wire.standard import PARAMETERS

LINE_BYTES_PER_S = 11_520
"""115,200 baud, 10 bits a byte."""
ADDED_SHARE = 0.02
"""Of the inference's own CPU time; wall time is printed too, and means something on an idle
computer only."""


class _Served(BridgeDevice):
    """A device without a worker as the protocol of a server."""

    def line_up(self, now_ns: int) -> bytes:
        return self.agent.line_up(now_ns)

    def line_lost(self) -> None:
        self.agent.line_lost()

    def feed(self, data: bytes, now_ns: int) -> bytes:
        return self.agent.feed(data, now_ns)

    def poll(self, now_ns: int) -> bytes:
        return self.agent.poll(now_ns)

    def wait_ns(self, now_ns: int) -> int:
        return self.agent.wait_ns(now_ns)

    def descriptors(self) -> Sequence[int]:
        return ()


def _serve(port: str, folder: str) -> None:
    keys = TrustedKeys.load(Path(folder) / "trust.pem")
    device = _Served(FolderStorage(Path(folder) / "slots"), keys)
    Server(device, SerialOpener(port)).run()


@contextmanager
def _served(baud: int | None) -> Iterator[str]:
    """A device in a process of its own; yields the host's end of the line."""
    with PtyLine(baud) as line, tempfile.TemporaryDirectory() as folder:
        KEY.save_public(Path(folder) / "trust.pem")
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_serve, args=(line.device, folder), daemon=True)
        process.start()
        try:
            yield line.host
        finally:
            process.kill()
            process.join()


def flash_rate(baud: int | None, framing: Framing, size: int) -> float:
    """Upload `size` bytes once; return bytes of the file per second."""
    file = bundle_file(1, size=size, fill=random.Random(1).randbytes(1 << 20))
    with _served(baud) as host:
        link = Link(DescriptorPort(host), framing)
        link.ask(PARAMETERS, Empty(), retries=20)
        start_s = time.monotonic()
        link.upload(file)
        passed_s = time.monotonic() - start_s
        link.port.close()
    return len(file) / passed_s


def main() -> int:
    """Run the cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the paced bytes")
    size = (1 << 20) // (8 if parser.parse_args().quick else 1)
    bounds_met = True
    cases = [
        ("unpaced pty, cobs", None, Framing.COBS, 8 << 20, 5_000_000.0),
        ("unpaced pty, console", None, Framing.CONSOLE, 8 << 20, 0.0),
        ("115200 baud, cobs", 115_200, Framing.COBS, size, 0.90 * LINE_BYTES_PER_S),
        ("115200 baud, console", 115_200, Framing.CONSOLE, size, 0.65 * LINE_BYTES_PER_S),
    ]
    for title, baud, framing, count, bound in cases:
        rate = flash_rate(baud, framing, count)
        met = rate >= bound
        bounds_met &= met
        share = f"{rate / LINE_BYTES_PER_S:.3f}" if baud else None
        print(json.dumps({"case": title, "file_bytes": count, "bytes_per_s": round(rate),
                          "share_of_line": share, "bound": bound, "met": met}))  # fmt: skip
    cost = streaming_overhead("digits-early-exit", 15, 1.0)
    added = cost.streaming_cpu_us / cost.bare_cpu_us - 1
    bounds_met &= added <= ADDED_SHARE
    figures = {name: round(value, 4) for name, value in asdict(cost).items()}
    print(json.dumps({"case": "inference while streaming", **figures,
                      "added_cpu_share": round(added, 4),
                      "added_wall_share": round(cost.streaming_us / cost.bare_us - 1, 4),
                      "bound": ADDED_SHARE, "met": added <= ADDED_SHARE}))  # fmt: skip
    return 0 if bounds_met else 1


if __name__ == "__main__":
    sys.exit(main())
