import socket
import urllib.request

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.fakes.runtime_fakes import record_of

from edge_infer.models_tflite import open_bundle
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.records import Frame, InferenceEnergy, InferenceRecord
from edge_infer.runtime.sinks.prometheus import PrometheusSink, ScrapeAddress, scrape_address
from edge_infer.runtime.sinks.sink import MissingPlaceError, RunState

US = 1000
EXITS = ("exit1", "exit2", "exit3")


def opened(port: int = 0) -> PrometheusSink:
    reader = AnswerReader(open_bundle("digits-early-exit").manifest)
    return PrometheusSink(ScrapeAddress("127.0.0.1", port), reader, EXITS, {"bundle": "digits"})


def fetched(sink: PrometheusSink) -> dict[tuple[str, str], float]:
    """Values by name and labels, as a scraper reads them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics") as answer:
        text = answer.read().decode()
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def record(answer: int, exit_: int, end_ns: int) -> InferenceRecord:
    found = record_of(Frame(0, np.zeros(1), 0, 100 * US), 0, end_ns, [(0, end_ns)] * (exit_ + 1))
    found.answer = answer
    found.energy = InferenceEnergy("simulated", 3_000_000, 2_000_000, None, 0.0)
    return found


def test_a_scraper_reads_what_ran() -> None:
    with opened() as sink:
        for answer, exit_, end_ns in ((1, 0, 40 * US), (1, 2, 200 * US), (7, 0, 60 * US)):
            sink.write(record(answer, exit_, end_ns))
        for gross_nj, dropped in ((5 * 10**9, 1), (7 * 10**9, 3)):
            sink.observe(RunState(0, 2_400_000, 55_000, True, gross_nj, 0, 1, 3, 1, dropped))
        found = fetched(sink)
    assert found["edge_infer_answers_total", "1"] == 2
    assert found["edge_infer_answers_total", "7"] == 1
    assert [found["edge_infer_exits_total", name] for name in EXITS] == [2, 0, 1]
    assert found["edge_infer_deadline_misses_total", ""] == 1
    assert found["edge_infer_dropped_frames_total", ""] == 3
    assert found["edge_infer_energy_joules_total", ""] == pytest.approx(7)
    assert found["edge_infer_latency_seconds_count", ""] == 3
    assert found["edge_infer_latency_seconds_sum", ""] == pytest.approx(300e-6)
    assert found["edge_infer_latency_seconds_bucket", "5e-05"] == 1
    assert found["edge_infer_inference_energy_joules_sum", ""] == pytest.approx(6e-3)
    assert found["edge_infer_clock_hertz", ""] == 2.4e9
    assert found["edge_infer_temperature_celsius", ""] == 55
    assert found["edge_infer_throttled", ""] == 1
    assert found["edge_infer_info", "digits"] == 1
    assert sink.delivered == 3


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MissingPlaceError, match="Address already in use") as error:
            opened(port)
    assert error.value.name == f"prometheus 127.0.0.1:{port}"


@pytest.mark.parametrize("text", ["9099", "host", ":0", ":99999", "host:port", ""])
def test_what_is_no_address_to_listen_at_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no address to listen at"):
        scrape_address(text)
    assert scrape_address(":9099") == ScrapeAddress("", 9099)
    assert scrape_address("[::1]:80") == ScrapeAddress("::1", 80)
