"""Builds of the firmware for tests: the library with a driver, as a program that is talked to."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "firmware_bridge" / "firmware"
DRIVERS = ROOT / "tests" / "firmware" / "drivers"

SANITIZERS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def build_driver(folder: Path, name: str, *, kernels: str = "plain", sanitize: bool = True) -> Path:
    """Compile a driver with the library for this computer; return the program."""
    for tool in ("gcc", "make"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    flags = ["SANITIZE=1", "CFLAGS=-O1"] if sanitize else []
    build = folder / f"firmware-{kernels}{'-sanitized' if sanitize else ''}"
    make = ["make", "-s", "-C", str(FIRMWARE), f"BUILD={build}", f"KERNELS={kernels}", "CC=gcc"]
    subprocess.run([*make, *flags, "lib"], check=True)
    program = build / name
    subprocess.run(
        [
            "gcc", "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror",
            *(SANITIZERS if sanitize else []),
            f"-I{FIRMWARE}/include", f"-I{FIRMWARE}/src", f"-I{DRIVERS}",
            str(DRIVERS / f"{name}.c"), str(DRIVERS / "driver_io_host.c"),
            str(build / "libedge_infer.a"), "-o", str(program),
        ],
        check=True,
    )  # fmt: skip
    return program


class Driver:
    """A running driver; requests and answers over its standard streams."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def write(self, *parts: bytes) -> None:
        """Send bytes."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"".join(parts))
        self._process.stdin.flush()

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes; a driver that died fails the test with its exit status."""
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        assert len(data) == size, f"the driver ended with {self._process.wait()}"
        return data

    def numbers(self, count: int) -> tuple[int, ...]:
        """Return `count` uint32."""
        return struct.unpack(f"<{count}I", self.read(4 * count))

    def close(self) -> None:
        """End the driver; what its sanitizers found fails the test."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        code = self._process.wait()
        self._process.stdout.close()
        assert code == 0, f"the driver ended with {code}"

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
