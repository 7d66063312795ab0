"""Builds of the firmware for tests: the library with a driver, as a program that is talked to."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "firmware_bridge" / "firmware"
DRIVERS = ROOT / "tests" / "firmware" / "drivers"

SANITIZERS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def build_library(folder: Path, *, kernels: str = "plain") -> Path:
    """Compile the library for this computer; return the archive."""
    _need("gcc", "make")
    return _make(folder, kernels, "lib")[0] / "libedge_infer.a"


def exported_symbols(library: Path) -> set[str]:
    """Return the names that a library gives to whom it is linked with."""
    _need("nm")
    command = ["nm", "--extern-only", "--defined-only", "--format=posix", str(library)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    names = {line.split()[0] for line in lines if line and not line.endswith(":")}
    return {name for name in names if not name.startswith("__odr_asan.")}


def build_driver(folder: Path, name: str, *, kernels: str = "plain") -> Path:
    """Compile a driver with the library for this computer; return the program.

    Sanitizers triple the compile time: they are part of `make test-mcu`.
    """
    _need("gcc", "make")
    build, sanitize = _make(folder, kernels, "lib")
    program = build / name
    subprocess.run(
        [
            "gcc", "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror",
            *(SANITIZERS if sanitize else []),
            f"-I{FIRMWARE}/include", f"-I{DRIVERS}",
            str(DRIVERS / f"{name}.c"), str(DRIVERS / "driver_io_host.c"),
            str(build / "libedge_infer.a"), "-o", str(program),
        ],
        check=True,
    )  # fmt: skip
    return program


MPS2_CPU = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
MPS2_SIZES = ["-DMODEL_BYTES=0x6e000", "-DFILE_BYTES=0x6e000", "-DARENA_BYTES=56*1024",
              "-DFRAME_BYTES=4096"]  # fmt: skip
ICOUNT_SHIFT = 4
"""QEMU counts 2**4 ns an instruction; the board's clock has 40 ns, so a tick is 2.5."""
INSTRUCTIONS_PER_TICK = 40 / 2**ICOUNT_SHIFT


def build_mps2_driver(folder: Path, name: str, *, kernels: str = "dsp") -> Path:
    """Compile a driver for QEMU's mps2-an386; return the ELF file."""
    _need("make", "arm-none-eabi-gcc", "qemu-system-arm")
    build, port = folder / f"mps2-{kernels}", FIRMWARE / "ports" / "mps2_an386"
    subprocess.run(
        [
            "make", "-s", "-C", str(FIRMWARE), f"BUILD={build}", f"KERNELS={kernels}",
            "CC=arm-none-eabi-gcc", "AR=arm-none-eabi-ar",
            f"CFLAGS=-O2 -ffunction-sections -fdata-sections {' '.join(MPS2_CPU)}", "lib",
        ],
        check=True,
    )  # fmt: skip
    program = build / f"{name}.elf"
    subprocess.run(
        [
            "arm-none-eabi-gcc", "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", *MPS2_CPU,
            *MPS2_SIZES, f"-I{FIRMWARE}/include", f"-I{port}", f"-I{DRIVERS}",
            str(DRIVERS / f"{name}.c"), str(DRIVERS / "driver_io_mps2.c"), str(port / "startup.c"),
            str(build / "libedge_infer.a"), "-nostartfiles", "-Wl,--gc-sections",
            "-T", str(port / "mps2.ld"), "-o", str(program),
        ],
        check=True,
    )  # fmt: skip
    return program


def build_mps2_device(folder: Path) -> Path:
    """Compile the whole device for QEMU's mps2-an386; return the ELF file."""
    _need("make", "arm-none-eabi-gcc", "qemu-system-arm")
    subprocess.run(["make", "-s", "-C", str(FIRMWARE), f"BUILD={folder}", "mps2"], check=True)
    return folder / "mps2" / "device.elf"


def _need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def on_qemu(program: Path) -> list[str]:
    """Return the command that runs a driver on the emulated board, counting instructions."""
    return [
        "qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-serial", "null",
        "-monitor", "none", "-icount", f"shift={ICOUNT_SHIFT},sleep=off",
        "-semihosting-config", "enable=on,target=native", "-kernel", str(program),
    ]  # fmt: skip


def build_host_device(folder: Path, trust: Path | None = None) -> Path:
    """Compile the whole device for this computer; return the program.

    With `trust`, a PEM public key, it takes only what that key signed.
    """
    _need("gcc", "make")
    settings = [f"TRUST={trust}"] if trust else []
    return _make(folder, "dsp", "host", *settings)[0] / "edge-infer-device"


def _make(folder: Path, kernels: str, target: str, *more: str) -> tuple[Path, bool]:
    """Make a target for this computer; return where, and whether with sanitizers."""
    sanitize = bool(os.environ.get("EDGE_INFER_TEST_MCU"))
    build = folder / f"firmware-{kernels}{'-sanitized' if sanitize else ''}"
    settings = [f"BUILD={build}", f"KERNELS={kernels}", "CC=gcc", "CFLAGS=-O1"]
    settings += ["SANITIZE=1"] if sanitize else []
    subprocess.run(["make", "-s", "-C", str(FIRMWARE), *settings, *more, target], check=True)
    return build, sanitize


class Driver:
    """A running driver; requests and answers over its standard streams."""

    def __init__(self, *command: Path | str) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

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
