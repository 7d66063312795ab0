"""`edge-infer fleet stream`: one power log a board, all on this computer's time axis."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import click

from edge_infer.commands.exit_codes import INTERRUPTED, NO_DEVICE
from edge_infer.commands.fleet_options import FleetOptions, fleet_options
from edge_infer.commands.fleet_table import FleetTable, board_row, worst_code
from edge_infer.commands.options import json_option, option
from edge_infer.commands.quantities import Duration
from edge_infer.commands.render import emit, table, warn
from edge_infer.commands.stream_file import StreamFile
from edge_infer.files import write_whole
from edge_infer.firmware_bridge.fleet.board_line import BoardLines, LatePort, StoppedError
from edge_infer.firmware_bridge.fleet.board_stream import BoardStream, Streamed
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.fleet.side_by_side import Outcome, SideBySide
from edge_infer.runtime.errors import InputError

AXIS = "axis.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SILENT_NS = 10_000_000_000
"""A board that was not heard for so long at the end is told as one that is gone."""


@click.command("stream")
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the logs, one a board by its name; those that are there are gone on with.",
)
@option(
    "--format",
    "suffix",
    type=click.Choice(["csv", "jsonl"]),
    default="csv",
    show_default=True,
    help="Of the logs: lines with columns, or JSON objects.",
)
@option("--duration", type=Duration(), help="How long, as 30s.  [default: until Ctrl-C]")
@option("--all", "from_start", is_flag=True, help="Begin with what the devices have kept.")
@fleet_options
@json_option
@click.pass_context
def fleet_stream_command(
    ctx: click.Context,
    output: Path,
    suffix: Literal["csv", "jsonl"],
    duration: int | None,
    from_start: bool,
    options: FleetOptions,
    as_json: bool,
) -> None:
    """Write the boards' power, clocks and inferences as lines, one log a board, none lost.

    Each log is as power stream writes it. Their column t_host_ns is one axis: this computer's
    monotonic time, to which every board's clock is fitted; axis.json in the folder says when that
    was 0. A board that is gone is waited for, and gone on with where it stopped; the others do not
    wait for it. A simulated board lives in a time of its own.
    """
    boards = options.boards()
    lines, shown = options.lines(LatePort), FleetTable(boards)
    with _logs(output, boards, suffix) as logs:
        stream = BoardStream(logs, warn, options.patience, duration, from_start)
        with shown.shown(), _ending(lines, duration):
            crew = SideBySide(lines, len(boards), 0, shown)
            outcomes, interrupted = _streamed(crew, boards, stream)
    rows = [_row(each, stream.streamed.get(each.board.name)) for each in outcomes]
    code = INTERRUPTED if interrupted else worst_code(rows)
    emit(as_json, {"folder": str(output), "boards": rows, "code": code}, _text(rows))
    ctx.exit(code)


def _streamed(
    crew: SideBySide, boards: Sequence[FleetBoard], stream: BoardStream
) -> tuple[list[Outcome], bool]:
    """Stream until it is over; return what it came to, and whether Ctrl-C was it."""
    try:
        return crew.run(boards, stream), False
    except KeyboardInterrupt:
        return [Outcome(board, error=StoppedError()) for board in boards], True


@contextmanager
def _logs(
    folder: Path, boards: Sequence[FleetBoard], suffix: str
) -> Iterator[dict[str, StreamFile]]:
    """Open the boards' logs. Raises InputError: those there are on another axis."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_axis(folder / AXIS)
    with ExitStack() as held:
        logs = {}
        for board in boards:
            path = folder / f"{board.name}.{suffix}"
            logs[board.name] = log = held.enter_context(StreamFile(path))
            if log.dropped_bytes:
                warn(f"{path}: the last {log.dropped_bytes} bytes were no whole line, and are gone")
        yield logs


def _write_axis(path: Path) -> None:
    """Say when this computer's monotonic time was 0; it begins anew with each of its starts."""
    boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
    try:
        found = json.loads(path.read_text())["boot"]
    except FileNotFoundError:
        zero_ns = time.time_ns() - time.monotonic_ns()
        document = {"boot": boot, "clock": "CLOCK_MONOTONIC", "unix_ns_at_0": zero_ns}
        write_whole(path, json.dumps(document, indent=1) + "\n")
        return
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: it is there and says no axis: name another folder") from error
    if found != boot:
        raise InputError(
            f"{path.parent}: its logs are on the axis of another start of this computer: name "
            "another folder"
        )


@contextmanager
def _ending(lines: BoardLines, duration_ns: int | None) -> Iterator[None]:
    """Let what waits for a board end with the time, too."""
    if duration_ns is None:
        yield
        return
    timer = threading.Timer(duration_ns / 1e9, lines.stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _row(outcome: Outcome, streamed: Streamed | None) -> dict[str, Any]:
    over = isinstance(outcome.error, StoppedError)
    row = board_row(outcome.board, "streamed", Outcome(outcome.board) if over else outcome)
    if row["error"] is not None:
        row["state"] = "failed" if outcome.reached else "unreachable"
    elif over and (silence := _silence(streamed)):
        row |= {"state": "unreachable", "code": NO_DEVICE, "error": silence}
    return row | {"log": streamed and streamed.document()}


def _silence(streamed: Streamed | None) -> str | None:
    """Return since when a board has been gone, in words; None where it was there."""
    if streamed is None or streamed.heard_ns is None:
        return "it never answered"
    silent_ns = time.monotonic_ns() - streamed.heard_ns
    return f"silent for the last {silent_ns / 1e9:.0f} s" if silent_ns > _SILENT_NS else None


def _text(rows: Sequence[dict[str, Any]]) -> str:
    cells = [
        [row["name"], row["group"], row["state"], *_log_cells(row["log"]), row["error"] or ""]
        for row in rows
    ]
    return table(cells, ["board", "group", "state", "entries", "lost", "starts", "time", ""])


def _log_cells(log: dict[str, Any] | None) -> list[str]:
    if log is None:
        return ["", "", "", ""]
    bound_ns = log["clock_bound_ns"]
    clock = "its own" if log["virtual_time"] else "-"
    if bound_ns is not None and log["virtual_time"] is False:
        clock = f"+-{bound_ns / 1e6:.1f} ms"
    return [str(log["entries"]), str(log["lost"]), str(log["boots"]), clock]
