"""Options that make use of frames that follow each other: `--gate` and `--smooth`."""

import re
from dataclasses import dataclass
from typing import Any

import click

from edge_infer.boards.timebase import Timebase
from edge_infer.commands.options import option, options_as
from edge_infer.commands.quantities import Number
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.engine_contracts import LocalEngine
from edge_infer.runtime.gate import FrameGate, GatedEngine, check_gate
from edge_infer.runtime.smoothing import Agreement, SmoothedEngine, Smoothing
from edge_infer.runtime.summary import RunSummary

_MOST_FRAMES = 1000


class AgreementText(click.ParamType[Agreement]):
    """How many of the last frames must agree, as 3/5."""

    name = "agreement"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Agreement:
        """Return both numbers."""
        if isinstance(value, Agreement):
            return value
        form = re.fullmatch(r"(\d{1,4})/(\d{1,4})", str(value).strip(), re.ASCII)
        if form is None:
            self.fail(f"{value!r} is none; write 3/5 for 3 of the last 5 frames", param, ctx)
        found = Agreement(int(form[1]), int(form[2]))
        if not 1 <= found.of <= _MOST_FRAMES or not found.of < 2 * found.agree <= 2 * found.of:
            self.fail(
                f"{value}: more than half of the frames must agree, of at most {_MOST_FRAMES}: "
                "write 3/5",
                param,
                ctx,
            )
        return found


@dataclass(frozen=True)
class SteadyOptions:
    """What to do about frames that hardly differ."""

    gate: float | None
    smooth: Agreement | None

    def check(self, bundle: Bundle) -> None:
        """Refuse what does not fit a bundle. Raises InputError."""
        if self.gate is not None:
            check_gate(FrameSpec.of(bundle))

    def around(self, engine: LocalEngine, timebase: Timebase, bundle: Bundle) -> LocalEngine:
        """Return an engine that does it."""
        if self.gate is not None:
            engine = GatedEngine(engine, FrameGate(self.gate), timebase.now_ns)
        if self.smooth is not None:
            engine = SmoothedEngine(engine, Smoothing(self.smooth), bundle.manifest.labels)
        return engine

    def document(self, summary: RunSummary) -> dict[str, Any]:
        """Return `gate` and `smooth` of `run --json`, null where they are off."""
        total = summary.inferences
        gate = smooth = None
        if self.gate is not None:
            gated = summary.gated.count
            gate = {"threshold": self.gate, "gated": gated, "share": _share(gated, total)}
        if self.smooth is not None:
            smooth = {
                "agree": self.smooth.agree,
                "of": self.smooth.of,
                "changed": summary.smoothed,
                "share": _share(summary.smoothed, total),
            }
        return {"gate": gate, "smooth": smooth}


def _share(count: int, total: int) -> float | None:
    return count / total if total else None


steady_options = options_as(
    "steady",
    SteadyOptions,
    (
        option(
            "--gate",
            type=Number(0, 255),
            help="Answer a picture that differs by at most so many grey levels from the last one "
            "that the net ran on with that one's answer; tune --gate chooses the number.",
        ),
        option(
            "--smooth",
            type=AgreementText(),
            help="Give the answer that so many of the last frames agree on, as 3/5; else the last "
            "such one.",
        ),
    ),
)
"""Of a command that answers frames in their order; it gets them as the argument `steady`."""
