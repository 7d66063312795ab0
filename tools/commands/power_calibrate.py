"""`edge-infer power calibrate`: two known loads correct a meter's gain and offset."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edge_infer.boards.calibration import Calibration, KnownLoad, calibrate
from edge_infer.boards.errors import MeterError
from edge_infer.boards.meter_config import CHIP_FORMS, MeterConfig, user_meter_file
from edge_infer.boards.meter_config import meter_text as meter_file_text
from edge_infer.boards.power import SampleFlag
from edge_infer.boards.registry import SIMULATED
from edge_infer.commands.options import json_option, option
from edge_infer.commands.power_meter import BATCH_NS, configured_meter, open_source
from edge_infer.commands.quantities import Duration, Power
from edge_infer.commands.render import emit, say
from edge_infer.commands.standard_streams import standard_input
from edge_infer.files import write_whole
from edge_infer.runtime.errors import RunError


@click.command("calibrate", short_help="Correct a meter by two known loads.")
@option(
    "--meter",
    "meter_text",
    help=f"{CHIP_FORMS}.  [default: the meter file's, the kernel's, the board's]",
)
@option(
    "--known-load",
    "loads_uw",
    type=Power(),
    multiple=True,
    required=True,
    help="What a reference instrument shows for a load, as 2.5W; give it twice, low and high.",
)
@option("--duration", type=Duration(), default="2s", show_default=True, help="Time a load is read.")
@option(
    "--reference-ppm",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Bound of the reference instrument's own error, in parts per million.",
)
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Meter file to write.  [default: the user's own, used from then on]",
)
@json_option
def calibrate_command(
    meter_text: str | None,
    loads_uw: tuple[int, ...],
    duration: int,
    reference_ppm: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Read a meter at two known loads and write a meter file that corrects it.

    Asks for each load on standard error and waits for Enter. The second load must be at least
    twice the first.
    """
    if len(loads_uw) != 2:
        raise click.UsageError("give --known-load twice: a low and a high load")
    if meter_text is not None and meter_text.startswith((SIMULATED, "log:")):
        raise click.UsageError(
            f"--meter {meter_text}: no load can be connected to it; write one of: {CHIP_FORMS}"
        )
    config = replace(configured_meter(meter_text), calibration=Calibration())
    known: list[KnownLoad] = []
    for load_uw in sorted(loads_uw):
        say(f"connect the load of {load_uw / 1e6:g} W and press Enter")
        if not standard_input().readline():
            raise RunError("standard input ended before Enter was pressed: nothing was measured")
        with open_source(None, config) as source:
            samples = [s for batch in source.batches(BATCH_NS, duration) for s in batch]
            resolution_uw = source.meter.resolution_uw
        if any(sample.flags & SampleFlag.SATURATED for sample in samples):
            raise MeterError(f"the shunt is saturated at {load_uw / 1e6:g} W: use a smaller load")
        if any(sample.flags & SampleFlag.BUS_RANGE for sample in samples):
            raise MeterError(
                f"the bus voltage reads {samples[0].bus_mv} mV at {load_uw / 1e6:g} W, which no "
                "supply has: connect VIN- to the load's side of the supply, and its ground"
            )
        known.append(KnownLoad(load_uw, [s.power_uw for s in samples], resolution_uw))
    calibration = calibrate(known[0], known[1], reference_ppm)
    path = output or user_meter_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, _file_text(replace(config, calibration=calibration), known))
    document = {
        "file": str(path),
        "meter": str(config),
        "gain_ppm": calibration.gain_ppm,
        "offset_uw": calibration.offset_uw,
        "gain_uncertainty_ppm": calibration.gain_uncertainty_ppm,
        "offset_uncertainty_uw": calibration.offset_uncertainty_uw,
        "readings": [len(load.readings_uw) for load in known],
    }
    emit(as_json, document, _text(document))


def _file_text(config: MeterConfig, known: list[KnownLoad]) -> str:
    loads = ", ".join(
        f"{load.power_uw / 1e6:g} W read {load.mean_uw / 1e6:.6g} W" for load in known
    )
    return meter_file_text(config, f"Made by edge-infer power calibrate: {loads}.")


def _text(document: dict[str, Any]) -> str:
    return (
        f"{document['meter']}: gain {document['gain_ppm'] / 1e4:+.3f} %, offset "
        f"{document['offset_uw'] / 1000:+.2f} mW; left over: "
        f"{document['gain_uncertainty_ppm'] / 1e4:.3f} % and "
        f"{document['offset_uncertainty_uw'] / 1000:.2f} mW\nwritten to {document['file']}"
    )
