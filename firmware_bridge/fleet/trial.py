"""The trial of a bundle on a board: so many good inferences, and what they came to."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from edge_infer.firmware_bridge.errors import LinkTimeoutError, RolledBackError
from edge_infer.firmware_bridge.fleet.fleet_file import Expected, Range
from edge_infer.firmware_bridge.host.flashing import (
    START_NS,
    edge_info,
    images,
    reset,
    slot_of,
)
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.wire.command import Empty
from edge_infer.firmware_bridge.wire.edge import (
    ROLLBACK,
    RUN,
    STATISTICS,
    Ran,
    RollBack,
    RunSamples,
    Statistics,
)

_LOOK_EVERY_NS = 300_000_000


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """What the inferences of a trial came to."""

    inferences: int
    net_uj: float | None
    """Of an inference; None without a meter."""
    origin: str | None
    exits: Mapping[str, float]
    """Share of the inferences that left at each exit."""


def run_trial(link: Link, inferences: int) -> TrialFigures:
    """Let the board answer frames of the bundle's own samples, and return what they came to.

    Raises:
        RolledBackError: an inference failed.
        DeviceRefusedError: it has no samples, or cannot run them itself.
        LinkTimeoutError, LinkLostError: it is silent or gone.
    """
    before = link.ask(STATISTICS, Empty())
    ran = _ran(link, RunSamples(inferences, secrets.randbits(31)))
    after, info = link.ask(STATISTICS, Empty()), edge_info(link)
    if after.restarts != before.restarts or info is None or info.run is None:
        why = after.failure or "it does not say why"
        raise RolledBackError(f"the bundle failed within {inferences} inferences: {why}")
    energy = ran.finished and ran.finished.energy
    return TrialFigures(
        inferences,
        (after.net_nj - before.net_nj) / inferences / 1e3 if energy else None,
        energy.origin if energy else None,
        _shares(before, after, info.run.exits),
    )


def _ran(link: Link, run: RunSamples) -> Ran:
    """Return what a run says when it is done; it must go on answering until then."""
    seen, heard_ns = -1, link.port.now_ns()
    while True:
        ran = link.ask_until_ready(RUN, run, within_ns=START_NS)
        if ran.done:
            return ran
        if ran.inferences != seen:
            seen, heard_ns = ran.inferences, link.port.now_ns()
        elif link.port.now_ns() - heard_ns > START_NS:
            raise LinkTimeoutError(f"the run stands at {seen} inferences for {START_NS // 10**9} s")
        link.pause(_LOOK_EVERY_NS)


def _shares(before: Statistics, after: Statistics, names: tuple[str, ...]) -> dict[str, float]:
    earlier = dict(before.exits)
    counts = {index: count - earlier.get(index, 0) for index, count in after.exits}
    total = sum(counts.values()) or 1
    return {name: counts.get(index, 0) / total for index, name in enumerate(names)}


def out_of_range(figures: TrialFigures, expected: Expected) -> str | None:
    """Return what left the stated range, in words; None where all is within."""
    complaints = []
    if expected.net_uj is not None:
        if figures.net_uj is None:
            complaints.append("its energy is not known: the board has no meter")
        elif not _within(figures.net_uj, expected.net_uj):
            complaints.append(f"{figures.net_uj:.4g} uJ net an inference, {_text(expected.net_uj)}")
    for name, share in expected.exits.items():
        if name not in figures.exits:
            complaints.append(f"it has no exit {name}")
        elif not _within(figures.exits[name], share):
            complaints.append(f"{figures.exits[name]:.3g} leave at {name}, {_text(share)}")
    return "; ".join(complaints) or None


def _within(value: float, limits: Range) -> bool:
    return limits[0] <= value <= limits[1]


def _text(limits: Range) -> str:
    return f"stated are {limits[0]:g} to {limits[1]:g}"


def take_back(link: Link, digest: bytes, reason: str) -> None:
    """Let a board go back to the bundle before the one of a digest, with the reason kept there.

    Raises:
        RolledBackError: it still runs the same bundle.
        DeviceRefusedError: it has nothing to go back to.
    """
    active = slot_of(images(link), 0)
    if active is None or active.digest != digest:  # it went back by itself
        return
    link.ask(ROLLBACK, RollBack(reason))
    reset(link)
    active = slot_of(images(link), 0)
    if active is not None and active.digest == digest:
        raise RolledBackError("the board still runs the same bundle; see edge-infer device status")
