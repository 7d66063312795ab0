"""The SMP server: every command, every refusal, and whatever bytes come."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.bridge_device import BridgeDevice, bundle_file, digest
from tests.fakes.cut_storage import CutStorage
from tests.profile import examples

from edge_infer.firmware_bridge.smp.agent import (
    BUFFER_BYTES,
    Agent,
    CommandGroup,
    Handler,
    Later,
    RefusalError,
)
from edge_infer.firmware_bridge.smp.client import Client
from edge_infer.firmware_bridge.smp.framing import FrameDecoder, Framing, encode
from edge_infer.firmware_bridge.smp.message import Header, Message, refused
from edge_infer.firmware_bridge.wire.command import Body, Group, Op
from edge_infer.firmware_bridge.wire.standard import Code, ImageCode


def ask(
    agent: Agent, op: Op, group: int, command: int, body: Body | None = None, version: int = 1
) -> Body:
    header = Header(op, group, command, 9, version=version)
    frame = encode(Message(header, body or {}).pack(), Framing.CONSOLE)
    (received,) = FrameDecoder().feed(agent.feed(frame, 0), 0)
    answer = Message.unpack(received.message)
    assert received.framing is Framing.CONSOLE
    assert answer.header.sequence == 9 and answer.header.version == version
    assert answer.header.op == op + 1
    return answer.body


def upload(device: BridgeDevice, file: bytes, chunk: int = 400) -> Body:
    at, answer = 0, {}
    while at < len(file):
        body: Body = {"off": at, "data": file[at : at + chunk]}
        answer = ask(device.agent, Op.WRITE, 1, 1, body | ({"len": len(file)} if at == 0 else {}))
        at = answer["off"]
    return answer


def test_os_group() -> None:
    agent = BridgeDevice().agent
    assert ask(agent, Op.WRITE, 0, 0, {"d": "hällo"}) == {"r": "hällo"}
    assert ask(agent, Op.READ, 0, 6) == {"buf_size": BUFFER_BYTES, "buf_count": 4}
    assert ask(agent, Op.READ, 0, 7) == {"output": "Linux"}
    assert ask(agent, Op.READ, 0, 7, {"format": "so"}) == {"output": "Linux edge-infer"}
    assert ask(agent, Op.READ, 0, 7, {"format": "x"}) == {"err": {"group": 0, "rc": 2}}
    assert ask(agent, Op.READ, 0, 8) == {"bootloader": "edge-infer"}
    assert ask(agent, Op.READ, 0, 8, {"query": "mode"}) == {"err": {"group": 0, "rc": 3}}


def test_enumeration() -> None:
    agent = BridgeDevice().agent
    assert ask(agent, Op.READ, 10, 0) == {"count": 3}
    assert ask(agent, Op.READ, 10, 1) == {"groups": [0, 1, 10]}
    assert ask(agent, Op.READ, 10, 2) == {"group": 0}
    assert ask(agent, Op.READ, 10, 2, {"index": 2}) == {"group": 10, "end": True}
    assert ask(agent, Op.READ, 10, 2, {"index": 3}) == {"err": {"group": 10, "rc": 4}}
    details = ask(agent, Op.READ, 10, 3, {"groups": [1]})
    assert details == {"groups": [{"group": 1, "name": "img", "handlers": 4}]}


def test_an_update_from_upload_to_confirmation() -> None:
    device = BridgeDevice()
    old, new = bundle_file(1), bundle_file(2)
    assert ask(device.agent, Op.READ, 1, 0) == {"images": []}
    assert upload(device, old) == {"off": len(old), "match": True}
    ask(device.agent, Op.WRITE, 1, 0, {"hash": digest(old), "confirm": True})
    ask(device.agent, Op.WRITE, 0, 5)
    upload(device, new)
    (running, loaded) = ask(device.agent, Op.READ, 1, 0)["images"]
    assert (running["slot"], running["version"], running["confirmed"]) == (0, "1.0.0", True)
    assert (loaded["slot"], loaded["version"], loaded["pending"]) == (1, "2.0.0", False)
    (_, loaded) = ask(device.agent, Op.WRITE, 1, 0, {"hash": digest(new)})["images"]
    assert loaded["pending"] and not loaded["permanent"]
    assert device.tests.started == [digest(old), digest(old), digest(new), digest(new)]
    ask(device.agent, Op.WRITE, 0, 5)
    (running, back) = ask(device.agent, Op.READ, 1, 0)["images"]
    assert running["hash"] == digest(new) and not running["confirmed"] and back["confirmed"]
    ask(device.agent, Op.WRITE, 1, 0, {"confirm": True})
    assert device.slots.state.confirmed


def test_a_failed_self_test_is_a_refusal_with_its_reason() -> None:
    device = BridgeDevice()
    file = bundle_file(1)
    upload(device, file)
    device.tests.verdicts[digest(file)] = "vector 3: answer 1 instead of 7"
    body = {"hash": digest(file)}
    code = ImageCode.TEST_OF_ACTIVE_DENIED
    assert ask(device.agent, Op.WRITE, 1, 0, body) == {"err": {"group": 1, "rc": code}}
    old = ask(device.agent, Op.WRITE, 1, 0, body, version=0)
    assert old == {"rc": Code.BAD_STATE, "rsn": "self-test: vector 3: answer 1 instead of 7"}
    assert device.slots.state.pending is None


def test_a_slow_self_test_is_waited_for_and_then_busy() -> None:
    device = BridgeDevice()
    file = bundle_file(1)
    upload(device, file)
    device.tests.verdicts[digest(file)] = None
    header = Header(Op.WRITE, 1, 0, 5)
    frame = encode(Message(header, {"hash": digest(file)}).pack(), Framing.COBS)
    assert device.agent.feed(frame, 0) == b""
    assert device.agent.poll(1_000_000_000) == b""
    (late,) = FrameDecoder().feed(device.agent.poll(2_100_000_000), 0)
    assert refused(Message.unpack(late.message).body) == (None, Code.BUSY)
    assert device.agent.feed(frame, 3_000_000_000) == b""
    device.tests.verdicts[digest(file)] = ""
    (done,) = FrameDecoder().feed(device.agent.poll(3_500_000_000), 0)
    assert Message.unpack(done.message).body["images"][0]["pending"]
    assert device.agent.poll(4_000_000_000) == b""


@pytest.mark.parametrize(
    ("group", "command", "op", "body", "code"),
    [
        (1, 1, Op.WRITE, {"off": 0, "len": 0, "data": b""}, ImageCode.TOO_LARGE),
        (1, 1, Op.WRITE, {"off": 0, "len": 1 << 32, "data": b"x"}, ImageCode.TOO_LARGE),
        (1, 1, Op.WRITE, {"off": 5, "data": b"x"}, ImageCode.INVALID_OFFSET),
        (1, 1, Op.WRITE, {"off": 0, "len": 2, "data": b"xyz"}, ImageCode.OVERRUN),
        (1, 1, Op.WRITE, {"off": 0, "len": 9, "image": 1, "data": b""}, ImageCode.INVALID_SLOT),
        (1, 0, Op.WRITE, {"hash": b"\x01" * 32}, ImageCode.INVALID_HASH),
        (1, 0, Op.WRITE, {}, ImageCode.INVALID_HASH),
        (1, 0, Op.WRITE, {"confirm": True}, ImageCode.NO_IMAGE),
        (1, 5, Op.WRITE, {"slot": 0}, ImageCode.INVALID_SLOT),
    ],
)
def test_refusals_of_the_image_group(
    group: int, command: int, op: Op, body: Body, code: ImageCode
) -> None:
    assert ask(BridgeDevice().agent, op, group, command, body) == {"err": {"group": 1, "rc": code}}


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    ("group", "command", "op", "body", "code"),
    [
        (1, 1, Op.WRITE, {"off": "5", "data": b""}, Code.INVALID),
        (1, 1, Op.WRITE, {"off": 0, "data": "text"}, Code.INVALID),
        (1, 1, Op.WRITE, {"off": -1, "data": b""}, Code.INVALID),
        (0, 0, Op.WRITE, {}, Code.INVALID),
        (0, 99, Op.READ, {}, Code.NOT_SUPPORTED),
        (8, 0, Op.READ, {}, Code.NOT_SUPPORTED),
        (1, 0, Op.WRITE, {"hash": 5}, Code.INVALID),
    ],
)
def test_general_refusals_carry_their_reason_in_both_versions(
    version: int, group: int, command: int, op: Op, body: Body, code: Code
) -> None:
    answer = ask(BridgeDevice().agent, op, group, command, body, version)
    assert answer["rc"] == code and answer["rsn"]


def test_a_tampered_upload_is_refused_at_its_last_chunk_and_forgotten() -> None:
    device = BridgeDevice()
    file = bytearray(bundle_file(1))
    file[60] ^= 1
    answer: Body = {}
    for at in range(0, len(file), 400):
        body: Body = {"off": at, "data": bytes(file[at : at + 400]), "len": len(file)}
        answer = ask(device.agent, Op.WRITE, 1, 1, body, version=0)
    assert answer["rc"] == Code.CORRUPT and "SHA-256" in answer["rsn"]
    assert ask(device.agent, Op.READ, 1, 0) == {"images": []}
    assert device.storage.size("upload.part") is None


def test_a_repeated_last_chunk_is_answered_again() -> None:
    device = BridgeDevice()
    file = bundle_file(1)
    done = upload(device, file, chunk=1000)
    last = len(file) - len(file) % 1000
    for at in (last, last - 100):
        assert ask(device.agent, Op.WRITE, 1, 1, {"off": at, "data": file[at : at + 100]}) == done


def test_a_handler_that_fails_costs_one_error_answer(caplog: pytest.LogCaptureFixture) -> None:
    def fail(body: Body, now_ns: int) -> Body:
        raise ZeroDivisionError("oops")

    def fail_later(body: Body, now_ns: int) -> Later[Body]:
        return Later(lambda now_ns: fail({}, now_ns))

    def too_long(body: Body, now_ns: int) -> Body:
        return {"x": bytes(5000)}

    def twice(body: Body, now_ns: int) -> Body:
        raise RefusalError(Code.BUSY, "x" * 10_000)

    failing: list[Handler] = [fail, fail_later, too_long, twice]
    handlers = {(number, Op.READ): handler for number, handler in enumerate(failing)}
    agent = Agent([CommandGroup(70, "test", handlers)])
    for command in (0, 1):
        assert ask(agent, Op.READ, 70, command)["rc"] == Code.UNKNOWN
    assert ask(agent, Op.READ, 70, 2)["rc"] == Code.TOO_LARGE
    assert len(ask(agent, Op.READ, 70, 3)["rsn"]) <= 300
    assert len(caplog.records) == 2


def test_unanswered_requests_are_bounded() -> None:
    agent = Agent([CommandGroup(70, "t", {(0, Op.READ): lambda b, n: Later(lambda n: None)})])
    client, answers = Client(), b""
    for _ in range(40):
        answers += agent.feed(client.request(Op.READ, 70, 0, {})[1], 0)
    got = client.feed(answers, 0)
    assert len(got) == 24 and all(refused(body) == (None, Code.BUSY) for _, body in got)
    agent.line_lost()
    assert agent.feed(client.request(Op.READ, 70, 0, {})[1], 0) == b""


def test_responses_and_foreign_messages_are_not_answered() -> None:
    agent = BridgeDevice().agent
    for op in (Op.READ_RESPONSE, Op.WRITE_RESPONSE):
        assert agent.feed(encode(Message(Header(op, 0, 0, 1)).pack(), Framing.COBS), 0) == b""


def frames() -> st.SearchStrategy[bytes]:
    header = st.builds(
        Header,
        op=st.sampled_from(Op),
        group=st.sampled_from([*Group, 8, 63, 64]),
        command=st.integers(0, 12),
        sequence=st.integers(0, 255),
        version=st.integers(0, 1),
    )
    value: st.SearchStrategy[object] = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-9, 2**40),
        st.binary(max_size=40),
        st.text(max_size=9),
        st.lists(st.integers(0, 99), max_size=3),
    )
    keys = st.sampled_from(["off", "data", "len", "sha", "image", "hash", "confirm", "slot", "d"])
    body = st.dictionaries(keys, value, max_size=5)
    return st.builds(
        lambda head, content, framing: encode(Message(head, content).pack(), framing),
        header,
        body,
        st.sampled_from(Framing),
    )


@given(st.lists(frames() | st.binary(max_size=300), max_size=25))
@settings(max_examples=examples(150))
def test_whatever_comes_the_agent_lives_and_answers_echo(stream: list[bytes]) -> None:
    device = BridgeDevice()
    for turn, chunk in enumerate(stream):
        device.agent.feed(chunk, turn)
    _still_answers(device.agent, now_ns=10**9)


def _still_answers(agent: Agent, now_ns: int) -> None:
    client = Client()
    _, frame = client.request(Op.WRITE, 0, 0, {"d": "alive"})
    assert [body for _, body in client.feed(agent.feed(frame, now_ns), 0)] == [{"r": "alive"}]


@pytest.mark.parametrize("size", [1_000_000, pytest.param(10_000_000, marks=pytest.mark.slow)])
def test_mutated_traffic(size: int) -> None:
    assert fuzz_agent(size, seed=1) >= size


def fuzz_agent(total_bytes: int, seed: int) -> int:
    rng, device, sent, now_ns = random.Random(seed), BridgeDevice(), 0, 0
    file = bundle_file(3)
    requests: list[tuple[Op, int, int, Body]] = [
        (Op.WRITE, 0, 0, {"d": "x" * 100}),
        (Op.READ, 1, 0, {}),
        (Op.WRITE, 1, 0, {"hash": digest(file), "confirm": True}),
        (Op.WRITE, 1, 1, {"off": 0, "len": len(file), "data": file[:500]}),
        (Op.WRITE, 1, 1, {"off": 500, "data": file[500:]}),
        (Op.WRITE, 1, 5, {}),
        (Op.WRITE, 0, 5, {}),
    ]
    seeds = [
        encode(Message(Header(op, group, command, 1), body).pack(), framing)
        for framing in Framing
        for op, group, command, body in requests
    ]
    while sent < total_bytes:
        frame = bytearray(rng.choice(seeds))
        for _ in range(rng.choice([0, 1, 1, 3])):
            at = rng.randrange(len(frame))
            match rng.randrange(4):
                case 0:
                    frame[at] = rng.randrange(256)
                case 1:
                    del frame[at : at + rng.randint(1, 30)]
                case 2:
                    frame[at:at] = rng.randbytes(rng.randint(1, 300))
                case _:
                    frame += frame[at:]
            if not frame:
                frame += b"\x00"
        now_ns += rng.choice([1000, 10_000_000, 900_000_000])
        device.agent.feed(bytes(frame), now_ns)
        sent += len(frame)
    assert isinstance(device.storage, CutStorage)
    assert sum(len(file.written) for file in device.storage.names.values()) < 100_000
    _still_answers(device.agent, now_ns + 10**9)
    return sent
