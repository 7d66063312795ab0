"""The model of a board beside every published measurement that is known of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Any

from edge_infer.boards.cost_model import CostModel
from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.errors import ProfileError
from edge_infer.boards.profile import BoardProfile, load_profile, profile_names
from edge_infer.boards.published import (
    PublishedLoad,
    PublishedNetwork,
    published_loads,
    published_networks,
)
from edge_infer.lab.costs.networks import network

JUDGED = ("fit", "check")
PRICING = ("cpu", "power", "kernels", "overhead")
"""Parts of a profile without which no cost can be modelled."""


def checked_boards() -> tuple[str, ...]:
    """Return the boards with published measurements."""
    return tuple(
        name for name in profile_names() if published_networks(name) or published_loads(name)
    )


def check_boards(names: Sequence[str] = (), surveyed: BoardProfile | None = None) -> dict[str, Any]:
    """Return the document of `boards check --json`.

    Args:
        names: of profiles; all with published measurements if empty.
        surveyed: a profile of your own instead, held against what is published of that board.

    Raises:
        UnknownBoardError: there is no such profile.
        ProfileError: nothing is published of a board, or its costs cannot be modelled.
    """
    if surveyed is not None:
        return _document(list(_surveyed_rows(surveyed))) | {"profile": _contents(surveyed)}
    return _document([row for name in names or checked_boards() for row in _board_rows(name)])


def _document(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    judged = [row for row in rows if row["use"] in JUDGED]
    return {
        "rows": list(rows),
        **_errors(judged, "ms", "error"),
        **_errors(judged, "net_mj", "net_error"),
        **_errors(judged, "mw", "power_error"),
    }


def _surveyed_rows(profile: BoardProfile) -> Iterator[dict[str, Any]]:
    """Yield the rows of the described boards that a profile is of; none where it lacks figures."""
    if _lacks(profile):
        return
    for name in checked_boards():
        if set(load_profile(name).compatible) & set(profile.compatible):
            yield from _rows(profile, name)


def _contents(profile: BoardProfile) -> dict[str, Any]:
    """Return what a profile holds: how many figures of each basis, and which parts it lacks."""
    bases = Counter(figure.basis for figure in profile.figures.values())
    return {
        "board": profile.name,
        "title": profile.title,
        "figures": dict(sorted(bases.items())),
        "lacks": _lacks(profile),
    }


def _lacks(profile: BoardProfile) -> list[str]:
    return [part for part in PRICING if getattr(profile, part) is None]


def _board_rows(name: str) -> Iterator[dict[str, Any]]:
    return _rows(load_profile(name), name)


def _rows(profile: BoardProfile, name: str) -> Iterator[dict[str, Any]]:
    networks, loads = published_networks(name), published_loads(name)
    if not networks and not loads:
        raise ProfileError(
            f"no published measurement of {name} is known; there are some of "
            f"{', '.join(checked_boards())}"
        )
    for row in networks:
        yield _network_row(profile, row)
    for load in loads:
        yield _load_row(profile, load)


def _network_row(profile: BoardProfile, row: PublishedNetwork) -> dict[str, Any]:
    known = not row.kernel_set or row.use in JUDGED
    model = CostModel(profile, row.kernel_set if known else "")
    top_khz = model.cpu.clocks_khz[-1]
    threads = min(row.threads, model.cpu.cores)
    cost = model.row(network(row.network, row.dtype), OperatingPoint(top_khz, threads))
    net_nj = cost.energy_nj - model.idle_uw * cost.time_ns / 1e6
    return {
        "board": profile.name,
        "model": row.network,
        "dtype": row.dtype,
        "threads": row.threads,
        "kernels": row.kernel_set or _kernels(profile),
        "use": row.use,
        "published_ms": row.latency_us / 1e3,
        "model_ms": cost.time_ns / 1e6,
        "published_net_mj": None if row.net_uj is None else row.net_uj / 1e3,
        "model_net_mj": net_nj / 1e6,
        "published_mw": None,
        "model_mw": None,
        "source": row.source,
    }


def _load_row(profile: BoardProfile, load: PublishedLoad) -> dict[str, Any]:
    model = CostModel(profile)
    power_uw = model.idle_uw + model.busy_cores_uw(load.cores, load.clock_khz)
    return {
        "board": profile.name,
        "model": f"busy cores at {load.clock_khz // 1000} MHz",
        "dtype": None,
        "threads": load.cores,
        "kernels": None,
        "use": "fit",
        "published_ms": None,
        "model_ms": None,
        "published_net_mj": None,
        "model_net_mj": None,
        "published_mw": load.power_uw / 1e3,
        "model_mw": power_uw / 1e3,
        "source": load.source,
    }


def _kernels(profile: BoardProfile) -> str:
    return profile.kernels.counts.name if profile.kernels else ""


def _errors(rows: Iterable[dict[str, Any]], unit: str, name: str) -> dict[str, float | None]:
    """Return the median and the worst relative error in per cent."""
    errors = [
        100 * abs(row[f"model_{unit}"] / row[f"published_{unit}"] - 1)
        for row in rows
        if row[f"published_{unit}"] is not None
    ]
    return {
        f"median_{name}_percent": median(errors) if errors else None,
        f"worst_{name}_percent": max(errors) if errors else None,
    }
