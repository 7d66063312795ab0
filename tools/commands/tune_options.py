"""Options of every command that tunes a bundle, and the tuning they ask for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from edge_infer.commands.options import backend_option, option, resolver_option
from edge_infer.lab.costs.board_costs import read_costs
from edge_infer.lab.tuning import Allowance
from edge_infer.lab.tuning.calibration_data import read_calibration
from edge_infer.lab.tuning.tuning import Tuning, tune_bundle
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.manifest import Criterion
from edge_infer.runtime.exit_criterion import CRITERIA

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class TuneOptions:
    """How a bundle is to be tuned."""

    calibration: str | None
    """None where a command can do without."""
    calibration_labels: Path | None
    board: str
    cost_table: Path | None
    clock: int | None
    allow: float
    confidence: float
    criterion: str | None
    seed: int
    strict: bool
    backend: str | None
    resolver: str

    def tune(self, bundle: Bundle) -> Tuning:
        """Read the calibration inputs and choose thresholds for a bundle."""
        backend = open_backend(self.backend, self.resolver)
        if self.calibration is None:
            raise click.UsageError("--calibration is missing: labelled inputs to tune on")
        costs = read_costs(bundle, self.board, backend.info, self.cost_table, self.clock)
        data = read_calibration(
            bundle, self.calibration, self.calibration_labels, strict=self.strict
        )
        return tune_bundle(
            bundle,
            backend,
            data,
            costs,
            Allowance(self.allow / 100, self.confidence),
            cast(Criterion | None, self.criterion),
            self.seed,
        )


_OPTIONS = (
    option(
        "--calibration",
        help="Labelled inputs that no weight was trained on: .npy, .npz, IDX, or a folder of "
        "images; held-back:DATA for what the bundle's recipe held back of a data set.",
    ),
    option(
        "--calibration-labels",
        type=click.Path(path_type=Path),
        help="Labels of .npy or IDX inputs.  [default: found beside an IDX file]",
    ),
    option(
        "--board",
        default="sim:raspberry-pi-5",
        show_default=True,
        help="Board whose cost table says what an exit saves.",
    ),
    option(
        "--cost-table", type=click.Path(path_type=Path), help="A table that measure wrote, instead."
    ),
    option("--clock", type=click.IntRange(1), help="Clock in MHz.  [default: the highest]"),
    option(
        "--allow",
        type=click.FloatRange(0, 50, min_open=True, max_open=True),
        default=1.0,
        show_default=True,
        help="Percentage points of accuracy that may be lost against the last exit.",
    ),
    option(
        "--confidence",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.95,
        show_default=True,
        help="How sure that promise is to be.",
    ),
    option(
        "--criterion",
        type=click.Choice(CRITERIA),
        help="How an exit is judged.  [default: as the bundle has it]",
    ),
    option("--seed", type=int, default=0, show_default=True, help="Of the split of the inputs."),
    option("--strict", is_flag=True, help="Fail at the first input that cannot be read."),
    backend_option,
    resolver_option,
)
_NAMES = tuple(TuneOptions.__dataclass_fields__)


def tune_options(command: Command) -> Command:
    """Add the options; the command gets them as one argument, `tuning`."""

    @wraps(command)
    def called(*arguments: Any, **named: Any) -> Any:
        given = {name: named.pop(name) for name in _NAMES}
        return command(*arguments, tuning=TuneOptions(**given), **named)

    wrapped: Any = called
    for add in reversed(_OPTIONS):
        wrapped = add(wrapped)
    return cast(Command, wrapped)
