"""`reproduce PAPER --live`: a paper's figures on the board itself, beside what the model says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge_infer.boards.profile import read_profile
from edge_infer.boards.registry import AUTO
from edge_infer.commands.measure import open_measured
from edge_infer.commands.options import is_typed, option, options_as, refuse_others
from edge_infer.commands.quantities import energy_text, time_text
from edge_infer.commands.render import emit, note, table, warn
from edge_infer.commands.reproduce import claims_report
from edge_infer.lab.reproduce.live_run import FRAMES
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.backend import open_backend

MOST_FRAMES = 20_000
TAKEN = (
    "bundle", "boards", "frames", "live", "profile", "backend", "resolver", "as_json", "verbose",
)  # fmt: skip
"""Parameters that make sense wherever frames run for real."""
live_frames_option = option("--frames", type=click.IntRange(1), default=FRAMES, show_default=True,
                            help="With --live: frames of each run.")  # fmt: skip


@dataclass(frozen=True)
class LiveOptions:
    """Whether to run for real, and beside which model."""

    live: bool
    profile: Path | None

    def asked(self, *others: str) -> bool:
        """Return whether frames are to run for real.

        Args:
            *others: further parameters that mean something with --live alone.

        Raises:
            click.UsageError: something goes with --live, and it is not given.
        """
        for name in ("profile", *others):
            if not self.live and is_typed(name):
                raise click.UsageError(f"--{name} goes with --live")
        return self.live


live_options = options_as("live", LiveOptions, [
    option("--live", is_flag=True,
           help="Run frames for real on this board, or --board, metered, beside the model."),
    option("--profile", type=click.Path(path_type=Path, exists=True, dir_okay=False),
           help="With --live: the model is of this profile, as boards survey writes one."),
])  # fmt: skip


def reproduce_live(
    run: Callable[..., dict[str, Any]], profile: Path | None, as_json: bool, **options: Any
) -> None:
    """Run frames on one board and print a paper's claims.

    Args:
        run: of the paper: `live_eenet` and the like.
        profile: what the model is made from; the board's own if None.
        as_json: print the document.
        **options: further parameters of the command that `run` takes by the same name.

    Raises:
        click.UsageError: something was typed that means nothing here.
    """
    refuse_others({*TAKEN, *options}, "--live runs frames for real")
    given = click.get_current_context().params
    boards = given["boards"] if _given("boards") else (AUTO,)
    if len(boards) > 1:
        raise click.UsageError("--live is of one board: give --board once")
    frames = given["frames"] if _given("frames") else FRAMES
    if frames > MOST_FRAMES:
        raise click.UsageError(f"--frames {frames}: with --live at most {MOST_FRAMES}")
    model = None if profile is None else read_profile(profile)
    bundle = open_bundle(given["bundle"])
    kernels = open_backend(given["backend"], given["resolver"])
    with open_measured(boards[0]) as board:
        document = run(
            bundle, board, kernels, frames=frames, profile=model, progress=note, **options
        )
    for message in document["warnings"]:
        warn(message)
    emit(as_json, document, live_report(document))


def _given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source not in (None, ParameterSource.DEFAULT)


def live_report(document: Mapping[str, Any]) -> str:
    """Return what ran beside what the model says, and the claims."""
    live = document["live"]
    further = [name for name in FURTHER if name in live["rows"][0]]
    rows = [
        [
            row["what"],
            *(FURTHER[name][1](row[name]) for name in further),
            str(row["inferences"]),
            time_text(row["time_us"]),
            time_text(row["model_time_us"]),
            energy_text(row["net_uj"]),
            energy_text(row["model_net_uj"]),
            row["origin"] or "-",
        ]
        for row in live["rows"]
    ]
    heading = ["net", *(FURTHER[name][0] for name in further), "frames", "time", "model",
               "net energy", "model", "origin"]  # fmt: skip
    period = live.get("period_us")
    pace = "one frame after the other" if period is None else f"a frame every {time_text(period)}"
    model = "" if live["model"] is None else f"; the model is of {live['model']}"
    blocks = [f"{live['board']}: {pace}; net of idle power{model}", table(rows, heading)]
    if document["claims"]:
        blocks.append(claims_report(document["claims"]))
    return "\n\n".join(blocks)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} %"


FURTHER: dict[str, tuple[str, Callable[[Any], str]]] = {
    "clock_khz": ("MHz", lambda khz: f"{khz / 1000:g}" if khz else "-"),
    "ratio": ("ratio", str),
    "right_percent": ("right", _percent),
    "same_as_big_percent": ("as big", _percent),
    "escalated_percent": ("escalated", _percent),
    "misses_percent": ("missed", _percent),
}
"""What some papers' runs say besides: column and text."""
