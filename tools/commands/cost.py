"""`edge-infer cost`: what a model costs on a board, before anything is built."""

from pathlib import Path
from typing import Any

import click

from edge_infer.commands.bundle_place import open_named_bundle
from edge_infer.commands.options import Threads, json_option, option
from edge_infer.commands.quantities import energy_text, time_text
from edge_infer.commands.render import emit, table
from edge_infer.lab.costs.model_cost import model_cost, model_works
from edge_infer.runtime.stage_costs import works_of

MODEL_MARK = b"TFL3"


@click.command("cost", short_help="What a model costs on a board, before anything is built.")
@click.argument("model", metavar="MODEL|BUNDLE")
@option(
    "--board",
    default="sim:raspberry-pi-5",
    show_default=True,
    help="A board of edge-infer boards list; with sim: or without.",
)
@option("--threads", type=Threads(), help="Thread counts.  [default: 1, 2 and 4]")
@option("--kernels", default="", help="An older set of kernels that the board's model knows.")
@json_option
def cost_command(
    model: str, board: str, threads: tuple[int, ...] | None, kernels: str, as_json: bool
) -> None:
    """Print the time and energy of MODEL, any .tflite file, or of a bundle's longest path.

    Nothing runs: the operators, their shapes and the board's profile say it. For each clock and
    number of threads: time, net energy with the range that unsettled figures leave, and for each
    kind of operator its time at the top clock on one thread.
    """
    document = model_cost(*_works(model), board, threads or (), kernels)
    emit(as_json, document, _report(document))


def _works(model: str) -> tuple[str, Any]:
    path = Path(model)
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(8)
        if head[4:] == MODEL_MARK or path.suffix.lower() == ".tflite":
            return path.name, model_works(path.stem, path.read_bytes())
    elif path.suffix.lower() == ".tflite":
        raise click.UsageError(f"there is no file {path}")
    bundle = open_named_bundle(model)
    return bundle.manifest.name, works_of(bundle)


def _report(document: dict[str, Any]) -> str:
    points = [
        [
            f"{point['clock_khz'] / 1000:g} MHz",
            str(point["threads"]),
            time_text(point["time_us"]),
            " to ".join(map(time_text, point["time_range_us"])),
            energy_text(point["net_uj"]),
            " to ".join(map(energy_text, point["net_range_uj"])),
            energy_text(point["gross_uj"]),
            point["origin"],
        ]
        for point in _shown(document["points"])
    ]
    operators = [
        [
            row["kind"], str(row["count"]), f"{row['macs'] / 1e6:.2f}", time_text(row["time_us"]),
            energy_text(row["net_uj"]),
        ]
        for row in document["operators"]
    ]  # fmt: skip
    heading = ["clock", "threads", "time", "range", "net", "range", "gross", "origin"]
    hangs = document["points"][0]["hangs_on"]
    return "\n\n".join([
        f"{document['model']} on {document['board']}, {document['dtype']}, "
        f"{document['macs'] / 1e6:.2f} million MACs, kernels {document['kernels']}",
        table(points, heading),
        table(operators, ["operator", "count", "million MACs", "time", "net"]),
        f"{document['bottleneck']}" + (f"; the energy hangs most on {hangs}" if hangs else ""),
        document["basis"],
    ])  # fmt: skip


def _shown(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lowest and the highest clock of each number of threads."""
    clocks = {point["clock_khz"] for point in points}
    return [point for point in points if point["clock_khz"] in (min(clocks), max(clocks))]
