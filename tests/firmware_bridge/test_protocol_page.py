"""PROTOCOL.md says what the code does: its examples, its tables."""

import base64
import re
from pathlib import Path

from tests.fakes.bridge_device import BridgeDevice

from edge_infer.boards.power import PowerSample
from edge_infer.firmware_bridge.smp.agent import BUFFER_BYTES, BUFFER_COUNT
from edge_infer.firmware_bridge.smp.framing import GAP_NS, Framing, encode
from edge_infer.firmware_bridge.smp.message import Header, Message
from edge_infer.firmware_bridge.wire import log_batch, proof
from edge_infer.firmware_bridge.wire.command import Op, keys
from edge_infer.firmware_bridge.wire.edge import COMMANDS, ENGINE, RUN, EdgeCommand
from edge_infer.firmware_bridge.wire.log_batch import Mark, MarkEntry
from edge_infer.firmware_bridge.worker.power_log import PowerLog

PAGE = (Path(__file__).parents[2] / "firmware_bridge" / "PROTOCOL.md").read_text()


def example(name: str) -> bytes:
    return bytes.fromhex(re.search(rf"^ +{name} +([0-9a-f ]+)$", PAGE, re.M)[1])  # type: ignore[index]


def test_the_echo_example() -> None:
    request = Message(Header(Op.WRITE, 0, 0, 7, version=0), {"d": "hi"}).pack()
    assert example("request, message") == request
    assert example("request, COBS") == encode(request, Framing.COBS)
    answer = BridgeDevice().agent.feed(encode(request, Framing.COBS), 0)
    assert example("answer, COBS") == answer
    assert encode(example("answer, message"), Framing.COBS) == answer
    text = re.search(r"then `([A-Za-z0-9+/=]+)`", PAGE)[1]  # type: ignore[index]
    assert encode(request, Framing.CONSOLE) == b"\x06\x09" + text.encode() + b"\n"
    assert base64.b64decode(text)[2:-2] == request


def test_the_log_example() -> None:
    lines = re.findall(r"^    ([0-9a-f ]+)$", PAGE.split("Three entries")[1], re.M)
    batch = bytes.fromhex("".join(lines))
    assert f"Three entries, {len(batch)} bytes" in PAGE
    assert log_batch.decode(batch) == [
        PowerSample(0, 1_000_000, 532_000, 5000, 600_000, 3_000_000),
        MarkEntry(1_500_000, Mark.CLOCK_KHZ, 1_500_000),
        PowerSample(1, 2_111_111, 532_000, 5004, 600_100, 3_002_900),
    ]


def test_the_numbers_and_tables() -> None:
    assert f"here {BUFFER_BYTES}) and as many as `buf_count`\n({BUFFER_COUNT})" in PAGE.replace(
        "),", ")"
    )
    assert f"more than {GAP_NS / 1e9:g} s" in PAGE
    log = PowerLog()
    for _ in range(100_000):
        log.add(MarkEntry(0, Mark.METER_START, 0))
    assert f"ring of {log.end - log.first:,} entries" in PAGE
    commands = dict(re.findall(r"^\| (\d+) (\w+), (?:read|write) \|", PAGE, re.M))
    assert commands == {str(command.value): command.name.lower() for command in EdgeCommand}
    kinds = {int(n) for n in re.findall(r"(?:^- |, |\n  exit \(index\), )(\d) [a-z]", PAGE)}
    assert {int(mark) for mark in Mark} <= kinds


def test_every_key_of_our_group_stands_on_the_page() -> None:
    section = PAGE.split("## Group 70")[1]
    rows = dict(re.findall(r"^\| (\d+) \w+, (?:read|write) \|(.*)\|$", section, re.M))
    for command in (*COMMANDS, *proof.COMMANDS):
        row = rows[str(command.number.value)]
        if command is RUN or command is ENGINE:  # their rows name others that say the same
            row = section
        said = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", row))))
        assert set(keys(command.request)) <= said, command
        assert set(keys(command.answer)) <= said, command
