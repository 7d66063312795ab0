"""Answers to a broker: what arrives, what does not, and that both are counted."""

import datetime
import gc
import json
import shutil
import socket
import ssl
import subprocess
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.fakes.mqtt_broker import FakeBroker, FakeClient
from tests.fakes.runtime_fakes import FakeEngine, FakeTime, record_of

from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.arrivals import Periodic
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.event_loop import EventLoop
from edge_infer.runtime.frames.sources import ArraySource
from edge_infer.runtime.records import Frame, InferenceRecord
from edge_infer.runtime.sinks.home_assistant import Device
from edge_infer.runtime.sinks.mqtt import MqttSink, new_client
from edge_infer.runtime.sinks.mqtt_address import MqttAddress, mqtt_address, read_password
from edge_infer.runtime.sinks.sink_set import SinkSet
from edge_infer.runtime.sinks.sink_thread import SinkThread

FAST = 0.01, 0.05
"""Between two tries to connect, in s."""
DEVICE = Device("digits-early-exit", "1.0.0", "sim:raspberry-pi-5")
HOUR_NS = 3600 * 10**9


class Told(list[str]):
    """What a sink says, and a way to wait for the first of it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = threading.Event()

    def take(self, text: str) -> None:
        self.append(text)
        self.first.set()


def record(number: int) -> InferenceRecord:
    found = record_of(Frame(number, np.zeros(1)), number, number + 1)
    found.name = f"frame {number}"
    return found


def reader() -> AnswerReader:
    return AnswerReader(open_bundle("digits-early-exit").manifest)


def sink_to(broker: FakeBroker, told: Told, **more: str) -> MqttSink:
    address = mqtt_address(f"mqtt://127.0.0.1:{broker.port}/home/door")
    address = replace(address, **more)  # type: ignore[arg-type]
    return MqttSink(address, reader(), DEVICE, told.take, new_client(address, FAST))


def numbers(broker: FakeBroker, topic: str = "home/door") -> list[int]:
    return [json.loads(payload)["number"] for payload in broker.messages.get(topic, [])]


def test_every_answer_arrives_and_the_broker_knows_who_is_there() -> None:
    told = Told()
    with FakeBroker() as broker:
        thread = SinkThread(sink_to(broker, told))
        with SinkSet([thread]) as sinks:
            for number in range(200):
                sinks.put(record(number))
            sinks.drained(0, lambda: None)  # type: ignore[arg-type, return-value]
            assert broker.wait_for(lambda found: len(numbers(found)) == 200)
            assert broker.retained["home/door/availability"] == b"online"
        assert broker.wait_for(lambda b: b.retained["home/door/availability"] == b"offline")
    assert numbers(broker) == list(range(200))
    assert json.loads(broker.messages["home/door"][0])["name"] == "frame 0"
    assert told == []
    document = thread.document()
    assert document.pop("cpu_us") > 0
    assert document == {
        "name": f"mqtt://127.0.0.1:{broker.port}/home/door",
        "written": 200, "dropped": 0, "error": None,
    }  # fmt: skip


def test_home_assistant_finds_sensors_whose_topics_exist() -> None:
    with FakeBroker() as broker:
        with SinkSet([SinkThread(sink_to(broker, Told()))]) as sinks:
            sinks.put(record(0))
        answer = json.loads(broker.messages["home/door"][0])
    configs = {
        topic: json.loads(payload)
        for topic, payload in broker.retained.items()
        if topic.startswith("homeassistant/sensor/")
    }
    assert len(configs) == 4
    assert len({config["unique_id"] for config in configs.values()}) == 4
    for config in configs.values():
        assert config["state_topic"] == "home/door"
        assert config["availability_topic"] in broker.retained
        assert config["device"]["identifiers"] == ["edge_infer_home_door"]
        key = config["value_template"].split("value_json.")[1].split()[0].rstrip(")}|")
        assert key in answer


def test_outages_lose_nothing_that_waits_and_repeat_what_was_not_confirmed() -> None:
    told = Told()
    with FakeBroker(cut_after=(10, 25, 40)) as broker:
        thread = SinkThread(sink_to(broker, told))
        with SinkSet([thread]) as sinks:
            for number in range(300):
                sinks.put(record(number))
            sinks.drained(0, lambda: None)  # type: ignore[arg-type, return-value]
            assert broker.wait_for(lambda found: len(set(numbers(found))) == 300)
    assert broker.connections == 4
    assert set(numbers(broker)) == set(range(300))  # at least once each
    assert (thread.sink.delivered, thread.dropped) == (300, 0)
    assert len(told) == 1 and "the connection was lost" in told[0]


def test_a_client_that_dies_is_offline_by_its_will() -> None:
    with FakeBroker() as broker:
        sink = sink_to(broker, Told())
        assert broker.wait_for(lambda found: "home/door/availability" in found.retained)
        client = sink.client
        assert client.socket() is not None
        client.reconnect_delay_set(1000, 1000)
        client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        assert broker.wait_for(lambda b: b.retained["home/door/availability"] == b"offline")
        sink.give_up()
        sink.close()


def test_a_wrong_password_is_one_line_and_what_waits_is_counted() -> None:
    told = Told()
    with FakeBroker(password="right") as broker:
        sink = sink_to(broker, told, user="me", password="wrong")
        sink.patience_s = 0.2
        thread = SinkThread(sink)
        with SinkSet([thread]) as sinks:
            assert broker.wait_for(lambda found: found.connections >= 3)
            for number in range(5):
                sinks.put(record(number))
    assert len(told) == 1 and "the broker refuses: Not authorized" in told[0]
    assert "wrong" not in told[0] and "me@127.0.0.1" in told[0]
    assert thread.dropped == 5
    assert "did not take all" in str(thread.error)


def test_an_absent_broker_is_one_line() -> None:
    told = Told()
    with FakeBroker() as broker:
        pass
    sink = sink_to(broker, told)
    sink.patience_s = 0.1
    thread = SinkThread(sink)
    with SinkSet([thread]) as sinks:
        sinks.put(record(0))
        assert told.first.wait(30)
    assert (
        len(told) == 1
        and f"no connection to 127.0.0.1:{broker.port}: Connection refused" in (told[0])
    )
    assert thread.dropped == 1


# paho-mqtt leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("scheme", "cause"),
    [("mqtt", "does not answer as a broker does"), ("mqtts", "no TLS there: mqtts:// is for")],
)
def test_what_is_no_broker_is_one_line(scheme: str, cause: str) -> None:
    told = Told()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = mqtt_address(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/t")
        sink = MqttSink(address, reader(), None, told.take, new_client(address, FAST))
        sink.patience_s = 0.1
        with SinkSet([SinkThread(sink)]) as sinks:
            sinks.put(record(0))
            while not told.first.is_set():
                taken, _ = server.accept()
                taken.recv(100)
                taken.close()
    assert len(told) == 1 and cause in told[0]
    del sink, sinks
    gc.collect()  # here, where its warning is expected


@pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed")
def test_mosquitto_takes_all_though_it_comes_late(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "m.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    command = ["mosquitto", "-c", str(tmp_path / "m.conf")]
    address = MqttAddress("127.0.0.1", port, "lab/digits")
    told = Told()
    sink = MqttSink(address, reader(), DEVICE, told.take, new_client(address, FAST))
    sink.patience_s = 30.0
    thread = SinkThread(sink)
    assert told.first.wait(30)  # it is not there yet
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as broker:
        with SinkSet([thread]) as sinks:
            for number in range(200):
                sinks.put(record(number))
        broker.terminate()
    assert (sink.delivered, thread.dropped, thread.error) == (200, 0, None)


# paho-mqtt leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_unknown_certificate_is_one_line_and_its_authority_mends_it(tmp_path: Path) -> None:
    certificate, context = self_signed(tmp_path)
    told = Told()
    with FakeBroker(context=context) as broker:
        for authority in (None, certificate):
            address = mqtt_address(f"mqtts://localhost:{broker.port}/t", None, authority)
            sink = MqttSink(address, reader(), None, told.take, new_client(address, FAST))
            sink.patience_s = 30.0 if authority else 0.1
            thread = SinkThread(sink)
            with SinkSet([thread]) as sinks:
                sinks.put(record(0))
                assert told.first.wait(30)
            assert thread.dropped == (authority is None)
        assert numbers(broker, "t") == [0]
    assert len(told) == 1
    assert "certificate is not known (self-signed certificate)" in told[0]
    assert "--mqtt-ca" in told[0]
    with pytest.raises(InputError, match="no certificate"):
        mqtt_address("mqtts://x/t", None, Path(__file__)).context()
    with pytest.raises(InputError, match="goes with mqtts"):
        mqtt_address("mqtt://x/t", None, certificate)


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of localhost that nobody knows, and a server's settings with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "broker.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return pem, context


@pytest.mark.parametrize(
    ("hours", "outages"),
    [(1, 10), pytest.param(24, 100, marks=pytest.mark.slow)],
)
def test_outages_of_a_long_run_leave_no_answer_unaccounted(hours: int, outages: int) -> None:
    client, time, told = FakeClient(), FakeTime(), list[str]()
    sink = MqttSink(MqttAddress("broker", 1, "t"), reader(), DEVICE, told.append, client)  # type: ignore[arg-type]
    thread = SinkThread(sink, limit=256)
    client.up()
    answers = hours * 3600
    gap_ns = hours * HOUR_NS // outages
    longest, held_bytes = 0, dict[int, int]()
    tracemalloc.start()

    def drained() -> None:
        nonlocal longest
        longest = max(longest, thread.waiting)
        engine.backlogs.clear()  # the fakes keep what they did
        time.slept.clear()
        held_bytes[time.now_ns() // HOUR_NS] = tracemalloc.get_traced_memory()[0]
        # The broker is away for the second half of each of the gaps.
        away = time.now_ns() % gap_ns > gap_ns // 2
        if away == client.is_up:
            (client.down if away else client.up)()
        sinks.drained(time.now_ns(), lambda: None)  # type: ignore[arg-type, return-value]

    engine = FakeEngine(time, 1_000_000)
    source = ArraySource(
        np.zeros((10, 2, 2, 1), np.uint8), None, FrameSpec((2, 2, 1), np.dtype(np.uint8))
    )
    with SinkSet([thread]) as sinks:
        loop = EventLoop(engine, time, source, Periodic(1.0), sinks.put, max_frames=answers)
        loop.drained = drained
        loop.run()
        if not client.is_up:
            client.up()
    tracemalloc.stop()
    assert max(held_bytes.values()) - held_bytes[0] < 300_000
    assert thread.offered == answers
    assert thread.sink.delivered == client.counts["t"]
    assert client.counts["t"] + thread.dropped == answers
    assert thread.dropped > 0  # outages are longer than the queue
    assert longest <= 256 and client.most_kept <= 20 + 2 * 5
    assert len(told) == 1 and not sink.unconfirmed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("broker/topic", "no address of a broker"),
        ("http://broker/topic", "no address of a broker"),
        ("mqtt:///topic", "no address of a broker"),
        ("mqtt://broker", "no topic"),
        ("mqtt://broker/", "no topic"),
        ("mqtt://broker/home/+", "no topic"),
        ("mqtt://broker/a//b", "no topic"),
        ("mqtt://broker/a/#", "no topic"),
        ("mqtt://broker/$SYS/x", "no topic"),
        ("mqtt://broker:abc/topic", "no address of a broker"),
        ("mqtt://broker:99999/topic", "no address of a broker"),
        ("mqtt://broker/topic?x=1", "no address of a broker"),
    ],
)
def test_what_is_no_address_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        mqtt_address(text)


def test_a_password_is_never_shown() -> None:
    address = mqtt_address("mqtts://me:s%40cret@broker/home/x")
    assert (address.user, address.password, address.port) == ("me", "s@cret", 8883)
    assert address.text == "mqtts://me@broker/home/x"
    with pytest.raises(InputError) as error:
        mqtt_address("mqtt://me:secret@broker")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"one\ntwo\n"])
def test_a_file_without_a_password_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(InputError, match="secret: it holds no"):
        read_password(tmp_path / "secret")
    (tmp_path / "secret").write_bytes(b"word \r\n")
    assert read_password(tmp_path / "secret") == "word "
