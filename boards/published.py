"""Published measurements of a board, which its model is held against. Files: published/BOARD.toml.

They are facts with a source; none of them is used to compute a cost. Those marked `fit` gave a
figure of the profile.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

_FOLDER = Path(__file__).with_name("published")

Use = Literal["fit", "check", "context"]
"""context: other or unknown kernels or conditions; shown and not judged."""


@dataclass(frozen=True, slots=True)
class PublishedNetwork:
    """A network's latency, and what it drew where that was measured."""

    network: str
    """As `edge_infer.lab.costs.networks` names it."""
    dtype: str
    threads: int
    kernel_set: str
    """Empty for the kernels that the profile's counts are of."""
    use: Use
    latency_us: int
    net_uj: float | None
    """Above idle, at the board's input: (power - idle power) x supply efficiency x latency."""
    source: str


@dataclass(frozen=True, slots=True)
class PublishedLoad:
    """What the whole board draws with some busy cores."""

    cores: int
    clock_khz: int
    power_uw: int
    source: str


def published_networks(board: str) -> tuple[PublishedNetwork, ...]:
    """Return the published networks of a board; none for a board without a file."""
    return tuple(row for source in _document(board).get("source", ()) for row in _networks(source))


def published_loads(board: str) -> tuple[PublishedLoad, ...]:
    """Return the published loads of a board; none for a board without a file."""
    return tuple(
        PublishedLoad(cores, source["clock_khz"], power_uw, source["text"])
        for source in _document(board).get("busy", ())
        for cores, power_uw in source["rows"]
    )


def _document(board: str) -> Mapping[str, Any]:
    path = _FOLDER / f"{board}.toml"
    return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}


def _networks(source: Mapping[str, Any]) -> Iterator[PublishedNetwork]:
    for network, dtype, latency_us, *power_uw in source["rows"]:
        net_uj = None
        if power_uw:
            above_uw = (power_uw[0] - source["idle_uw"]) * source["supply_permille"] / 1000
            net_uj = above_uw * latency_us / 1e6
        yield PublishedNetwork(
            network=network,
            dtype=dtype,
            threads=source["threads"],
            kernel_set=source.get("kernel_set", ""),
            use=cast(Use, source["use"]),
            latency_us=latency_us,
            net_uj=net_uj,
            source=source["text"],
        )
