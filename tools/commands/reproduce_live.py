"""`reproduce eenet --live`: the paper's figures on the board itself, beside what the model says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge_infer.boards.profile import read_profile
from edge_infer.boards.registry import AUTO
from edge_infer.commands.measure import open_measured
from edge_infer.commands.quantities import energy_text, time_text
from edge_infer.commands.render import emit, note, table, warn
from edge_infer.commands.reproduce import claims_report
from edge_infer.lab.reproduce.eenet_live import live_eenet
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.backend import open_backend

FRAMES, MOST_FRAMES = 300, 20_000
SIMULATED_ONLY = (
    "data", "sweep", "static", "sensitivity", "ideal", "grid", "others", "ablation", "images",
    "threads", "time_scale",
)  # fmt: skip
"""Parameters that make no sense where frames run for real."""


@dataclass(frozen=True)
class LiveGiven:
    """What the command was asked for."""

    bundle: str
    boards: tuple[str, ...]
    frames: int
    load: float
    profile: Path | None
    backend: str | None
    resolver: str


def reproduce_live(given: LiveGiven, as_json: bool) -> None:
    """Run frames on one board and print its claims. Raises click.UsageError."""
    context = click.get_current_context()

    def typed(name: str) -> bool:
        return context.get_parameter_source(name) is not ParameterSource.DEFAULT

    odd = [name for name in SIMULATED_ONLY if typed(name)]
    if odd:
        raise click.UsageError(f"--live runs frames for real: leave {', '.join(odd)} out")
    if len(given.boards) > 1:
        raise click.UsageError("--live is of one board: give --board once")
    frames = given.frames if typed("frames") else FRAMES
    if frames > MOST_FRAMES:
        raise click.UsageError(f"--frames {frames}: with --live at most {MOST_FRAMES}")
    profile = None if given.profile is None else read_profile(given.profile)
    bundle, kernels = open_bundle(given.bundle), open_backend(given.backend, given.resolver)
    with open_measured(given.boards[0] if given.boards else AUTO) as board:
        document = live_eenet(
            bundle, board, kernels, frames=frames, load=given.load, profile=profile, progress=note
        )
    for message in document["warnings"]:
        warn(message)
    emit(as_json, document, live_report(document))


def live_report(document: Mapping[str, Any]) -> str:
    """Return what ran beside what the model says, and the claims."""
    live = document["live"]
    rows = [
        [
            row["what"],
            str(row["inferences"]),
            time_text(row["time_us"]),
            time_text(row["model_time_us"]),
            energy_text(row["net_uj"]),
            energy_text(row["model_net_uj"]),
            f"{row['misses_percent']:.1f} %",
            row["origin"] or "-",
        ]
        for row in live["rows"]
    ]
    heading = ["net", "frames", "time", "model", "net energy", "model", "missed", "origin"]
    head = f"{live['board']}: a frame every {time_text(live['period_us'])}; net of idle power"
    return "\n\n".join([head, table(rows, heading), claims_report(document["claims"])])
