"""Figures of a run for Prometheus to fetch, over HTTP, in a registry of their own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.errors import InputError, RunError
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.sink import MissingPlaceError, RunState, Sink

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

LATENCY_BUCKETS_S = tuple(
    base * scale for scale in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0) for base in (1, 2.5, 5)
)
ENERGY_BUCKETS_J = tuple(
    base * scale for scale in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1) for base in (1, 2.5, 5)
)


@dataclass(frozen=True)
class ScrapeAddress:
    """Where figures are fetched."""

    host: str
    port: int

    @property
    def text(self) -> str:
        """As a person writes it."""
        return f"{self.host}:{self.port}"


def scrape_address(text: str) -> ScrapeAddress:
    """Read :9099 (all interfaces) or 127.0.0.1:9099. Raises InputError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(
            f"{text!r} is no address to listen at; write :9099 for all interfaces, or "
            "127.0.0.1:9099 for this computer alone"
        )
    return ScrapeAddress(host.strip("[]"), int(port))


class PrometheusSink(Sink):
    """Counts records, and serves the counts.

    Args:
        address: to listen at.
        reader: of the bundle.
        exit_names: of the bundle.
        about: labels of edge_infer_info: bundle, board and the like.

    Raises:
        RunError: prometheus-client is not installed.
        MissingPlaceError: the port is taken, or the address is none of this computer's.
    """

    wants_state = True

    def __init__(
        self,
        address: ScrapeAddress,
        reader: AnswerReader,
        exit_names: tuple[str, ...],
        about: dict[str, str],
    ) -> None:
        try:
            from prometheus_client import CollectorRegistry, start_http_server
        except ImportError:
            raise RunError(
                "--prometheus needs prometheus-client: pip install prometheus-client"
            ) from None
        self.name = f"prometheus {address.text}"
        self._reader, self._exit_names = reader, exit_names
        self.registry = CollectorRegistry()
        self._metrics = _Metrics(self.registry, about)
        self._answers: dict[str, Any] = {}
        self._exits = [self._metrics.exits.labels(exit=name) for name in exit_names]
        self._seen_drops = self._seen_gross_nj = 0
        try:
            self._server, self._thread = start_http_server(
                address.port, address.host or "0.0.0.0", self.registry
            )
        except OSError as error:
            raise MissingPlaceError(self.name, error.strerror or str(error)) from error

    @property
    def port(self) -> int:
        """The port that is listened on: the system's choice where 0 was asked for."""
        return int(self._server.server_address[1])

    def write(self, record: InferenceRecord) -> None:
        """Count one record."""
        metrics, label = self._metrics, self._reader.read(record).label
        counter = self._answers.get(label)
        if counter is None:
            counter = self._answers[label] = metrics.answers.labels(label=label)
        counter.inc()
        if not record.gated:
            self._exits[record.exit].inc()
        metrics.latency.observe(record.latency_ns / 1e9)
        if record.missed:
            metrics.misses.inc()
        if record.energy is not None:
            metrics.energy.observe(record.energy.net_nj / 1e9)
        self.delivered += 1

    def observe(self, state: RunState) -> None:
        """Take clock, temperature and the board's energy."""
        metrics = self._metrics
        metrics.clock.set(state.clock_khz * 1000)
        metrics.throttled.set(state.throttled)
        if state.millicelsius is not None:
            metrics.temperature.set(state.millicelsius / 1000)
        if state.gross_nj is not None:
            metrics.joules.inc(max(0, state.gross_nj - self._seen_gross_nj) / 1e9)
            self._seen_gross_nj = max(state.gross_nj, self._seen_gross_nj)
        metrics.dropped.inc(state.dropped_frames - self._seen_drops)
        self._seen_drops = state.dropped_frames

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Metrics:
    """The metrics, by what they count; names and units as Prometheus recommends."""

    def __init__(self, registry: "CollectorRegistry", about: dict[str, str]) -> None:
        from prometheus_client import Counter, Gauge, Histogram, Info

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"edge_infer_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"edge_infer_{name}", text, registry=registry)

        Info("edge_infer", "What runs, and where.", registry=registry).info(about)
        self.answers = counter("answers", "Answers by label.", "label")
        self.exits = counter("exits", "Answers by the exit they left at.", "exit")
        self.misses = counter("deadline_misses", "Answers after their deadline.")
        self.dropped = counter("dropped_frames", "Frames pushed out of the full queue.")
        self.joules = counter("energy_joules", "Energy of the whole board, waits included.")
        self.latency = Histogram(
            "edge_infer_latency_seconds",
            "From arrival to answer.",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.energy = Histogram(
            "edge_infer_inference_energy_joules",
            "Net energy of one inference.",
            buckets=ENERGY_BUCKETS_J,
            registry=registry,
        )
        self.clock = gauge("clock_hertz", "Clock of the processor.")
        self.temperature = gauge("temperature_celsius", "Temperature of the processor.")
        self.throttled = gauge("throttled", "1 while the board caps its clock.")
