"""Hostile bundles and hostile bytes on the line find nothing: libFuzzer, ASan, UBSan."""

import itertools
import os
import random
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.fakes.firmware_build import FIRMWARE
from tests.fakes.firmware_bundles import bundle_file
from tests.fakes.prunable_cases import prunable_case
from tests.fakes.tiny_bundles import single_draft
from tests.hostile.bundle_files import mutated
from tests.hostile.smp_frames import request

from edge_infer.firmware_bridge.smp.framing import Framing, encode
from edge_infer.firmware_bridge.smp.message import Header, Message
from edge_infer.firmware_bridge.wire.command import Body, Group, Op
from edge_infer.models_tflite.build import write_bundle

pytestmark = pytest.mark.usefixtures("test_mcu_only")

FUZZ = Path(__file__).parent / "fuzz"
SECONDS = int(os.environ.get("EDGE_INFER_FUZZ_SECONDS", "15"))
"""Each, one core."""
HOSTILE = int(os.environ.get("EDGE_INFER_FUZZ_HOSTILE", "7000"))
"""Inputs of the suites in tests/hostile that are tried besides."""
DUT_TALK = b"name%profile%db load 16%db " + bytes(16).hex().encode() + b"%infer 2 1%results%"


@pytest.mark.parametrize("target", ["bundle", "smp", "dut"])
def test_fuzzing_finds_nothing(target: str, tmp_path: Path) -> None:
    program = _built(target, tmp_path)
    file = bundle_file(write_bundle(tmp_path / "b", single_draft()))
    (tmp_path / "tiny.bundle").write_bytes(file)
    seeds, found, corpus = (tmp_path / name for name in ("seeds", "found", "corpus"))
    for folder in (seeds, found, corpus):
        folder.mkdir()
    # What earlier runs found worth keeping (libFuzzer -merge=1).
    with zipfile.ZipFile(FUZZ / f"{target}_corpus.zip") as kept:
        kept.extractall(corpus)
    for name, content in (_seeds(target, file) | _hostile(target, file)).items():
        (seeds / name).write_bytes(content)
    done = subprocess.run(
        [
            str(program), str(found), str(corpus), str(seeds),
            f"-max_total_time={SECONDS}", "-timeout=20", "-rss_limit_mb=1024", "-max_len=16384",
            f"-artifact_prefix={tmp_path}/", "-print_final_stats=1",
        ],
        env=os.environ | {"FUZZ_BUNDLE": str(tmp_path / "tiny.bundle")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    print("\n" + "\n".join(line for line in done.stderr.splitlines() if line.startswith("stat::")))


def _built(target: str, folder: Path) -> Path:
    for tool in ("clang", "make"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    sanitizers = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
    make = ["make", "-s", "-C", str(FIRMWARE), f"BUILD={folder}/fuzz", "KERNELS=dsp", "CC=clang"]
    subprocess.run([*make, f"CFLAGS={sanitizers} -fsanitize=fuzzer-no-link", "lib"], check=True)
    program = folder / f"fuzz_{target}"
    built = subprocess.run(
        [
            "clang", "-std=c99", *sanitizers.split(), "-fsanitize=fuzzer",
            f"-I{FIRMWARE}/include", str(FUZZ / f"fuzz_{target}.c"),
            *([] if target == "bundle" else [str(FUZZ / "fuzz_device.c")]),
            f"{folder}/fuzz/libedge_infer.a", "-o", str(program),
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    if "libclang_rt.fuzzer" in built.stderr:
        pytest.skip("clang has no libFuzzer: install libclang-rt-dev")
    assert built.returncode == 0, built.stderr
    return program


# Two later exits, one rank, two bins; one stage at one clock, two bins.
_PREDICTOR = b"EIPR" + bytes((1, 2, 1, 2)) + struct.pack("<IId9d", 96, 1000000, 0.1, *[0.5] * 9)
_PLAN = (
    b"EICP" + bytes((1, 1, 2, 1)) + struct.pack("<IHHIIQ", 72, 4, 0, 68, 0, 8000000)
    + struct.pack("<II", 80000, 1000) + struct.pack("<IIII", 56, 1, 56, 1)
    + struct.pack("<QI", 8000000, 0) + b"fuzz"
)  # fmt: skip
# Two stages at one clock, one bin; the second one may be left out.
_LEAVING_PLAN = (
    b"EICP" + bytes((2, 2, 1, 1)) + struct.pack("<IHHIIQ", 108, 4, 0, 88, 92, 8000000)
    + struct.pack("<II", 80000, 0) + struct.pack("<6I", 64, 1, 76, 1, 64, 1)
    + struct.pack("<QI", 8000000, 0) + struct.pack("<QI", 8000000, 256) + b"fuzz"
    + struct.pack("<4i", 1000000, 20000000, 300000, 0)
)  # fmt: skip


def _seeds(target: str, file: bytes) -> dict[str, bytes]:
    if target == "bundle":
        return _bundle_seeds(file)
    return _smp_seeds() if target == "smp" else {"talk": DUT_TALK, "words": bytes(range(128, 144))}


def _hostile(target: str, file: bytes) -> dict[str, bytes]:
    """Return what tests/hostile sends to the Python side."""
    rng = random.Random(1)
    if target == "bundle":
        return {f"hostile{case}": b"\0" + mutated(file, rng) for case in range(HOSTILE)}
    if target == "dut":
        return {}
    framings = itertools.cycle(Framing)
    lines = [encode(request(case, rng)[1], next(framings)) for case in range(HOSTILE)]
    return {f"hostile{case}": _in_pieces(line) for case, line in enumerate(lines)}


def _in_pieces(line: bytes) -> bytes:
    pieces = [line[at : at + 127] for at in range(0, len(line), 127)]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces)


def _bundle_seeds(file: bytes) -> dict[str, bytes]:
    ratios = {f"ratios{seed}": b"\6" + prunable_case(seed).file for seed in range(6)}
    model = file[file.index(b"TFL3") - 4 :]
    table = file[file.index(b"EIDT") :]
    size = int.from_bytes(table[8:12], "little")
    return ratios | {
        "image": b"\0" + file,
        "zip": b"\1" + file[32:-44],
        "model": b"\2" + model[:4096],
        "table": b"\3" + table[:size],
        "predictor": b"\4" + _PREDICTOR,
        "plan": b"\5" + _PLAN,
        "leaving plan": b"\5" + _LEAVING_PLAN,
    }


def _smp_seeds() -> dict[str, bytes]:
    reads = [(Group.OS, 6), (Group.OS, 7), (Group.IMAGE, 0), (Group.ENUMERATION, 1)]
    reads += [(Group.EDGE_INFER, command) for command in (0, 1, 6, 7, 8)]
    requests = [Message(Header(Op.READ, *read, 1), {"from": 0}) for read in reads]
    frame = {"n": 1, "session": 2, "off": 0, "len": 64, "data": bytes(64), "dtype": "uint8"}
    bodies: list[tuple[int, int, Body]] = [
        (Group.OS, 0, {"d": "hi"}), (Group.OS, 5, {}), (Group.EDGE_INFER, 3, frame),
        (Group.EDGE_INFER, 4, {"policy": "performance", "n": 1}), (Group.EDGE_INFER, 9, {}),
        (Group.IMAGE, 0, {"confirm": True}), (Group.IMAGE, 0, {"hash": bytes(32)}),
        (Group.IMAGE, 1, {"off": 0, "len": 80, "data": bytes(40)}), (Group.IMAGE, 5, {}),
    ]  # fmt: skip
    requests += [Message(Header(Op.WRITE, g, c, 1), body) for g, c, body in bodies]
    packed = [request.pack() for request in requests]
    seeds = {f"message{i}": bytes([128 + len(p)]) + p for i, p in enumerate(packed) if len(p) < 128}
    seeds["all"] = b"".join(seeds.values())
    return seeds
