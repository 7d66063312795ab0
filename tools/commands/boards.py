"""`edge-infer boards`: what boards there are, and what is known of each."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edge_infer.boards import board_names
from edge_infer.boards.clock_lease import ClockLease
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.profile import BoardProfile, load_profile, profile_names, read_profile
from edge_infer.boards.registry import detect_board, device_tree
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.toml_reader import Figure
from edge_infer.commands.lazy_group import LazyGroup
from edge_infer.commands.options import json_option, option
from edge_infer.commands.render import emit, table

COMMANDS = {
    "list": (".boards", "list_command", "The boards that --board takes."),
    "show": (".boards", "show_command", "Every number known of a board, with its source."),
    "check": (".boards", "check_command", "Hold models of boards against what was published."),
    "detect": (".boards", "detect_command", "The board that this computer is."),
    "restore": (".boards", "restore_command", "Put back a clock that was left changed."),
    "survey": (
        ".boards_survey",
        "survey_command",
        "Measure a board that nobody measured, in about an hour.",
    ),
}
"""Name -> module, object, one line of help."""


@click.group("boards", cls=LazyGroup, table=COMMANDS)
def boards_group() -> None:
    """List boards and show what is known of them."""


@click.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the boards that --board takes, and those it reaches as serial:PORT."""
    wired = [name for name in profile_names() if load_profile(name).place == "wire"]
    rows = [_entry(name) for name in (*board_names(), *wired)]
    lines = [
        [row["board"], row["title"], row["clocks_mhz"] or "-", row["meter"] or "-", row["time"]]
        for row in rows
    ]
    emit(as_json, rows, table(lines, ["board", "what", "clocks MHz", "meter", "time and power"]))


@click.command("show")
@click.argument("board")
@json_option
def show_command(board: str, as_json: bool) -> None:
    """Show every number known of BOARD with its source."""
    profile = load_profile(board.removeprefix("sim:"))
    figures = [
        {
            "key": key,
            "value": figure_value(profile, key),
            "basis": figure.basis,
            "range": None if figure.low is None else [figure.low, figure.high],
            "source": _source(figure),
        }
        for key, figure in profile.figures.items()
    ]
    document = {
        "board": profile.name,
        "title": profile.title,
        "compatible": list(profile.compatible),
        "figures": figures,
        "kernels": _kernels(profile),
        "published": _published(profile.name),
        "quirks": dict(profile.quirks),
        "tested_on": list(profile.tested),
        "advice": profile.advice,
    }
    emit(as_json, document, _show(document))


@click.command("check")
@option("--board", "boards", multiple=True, help="May be repeated.  [default: every one known]")
@option(
    "--profile",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Check this file instead: one that boards survey wrote, or your own.",
)
@json_option
def check_command(boards: tuple[str, ...], file: Path | None, as_json: bool) -> None:
    """Hold the models of boards against every published measurement that is known of them.

    With --profile a file must be a profile in every key, and is held against what is published of
    the board that it is of.
    """
    # Few commands need lab.
    from edge_infer.lab.costs.board_check import check_boards

    if file is not None and boards:
        raise click.UsageError("--profile is a board by itself: leave --board out")
    surveyed = None if file is None else read_profile(file)
    document = check_boards([name.removeprefix("sim:") for name in boards], surveyed)
    emit(as_json, document, check_report(document))


def check_report(document: Mapping[str, Any]) -> str:
    """Return the table of `boards check`, and what the errors amount to."""
    contents = _contents(document["profile"]) if "profile" in document else []
    if not document["rows"]:
        return "\n".join([*contents, "nothing is published of this board to hold it against"])
    rows = [
        [row["board"], row["model"], row["dtype"] or "", str(row["threads"]), row["use"],
         *_beside(row)]
        for row in document["rows"]
    ]  # fmt: skip
    heading = [
        "board", "network", "", "threads", "use", "published", "model", "ratio", "net published",
        "net model", "ratio",
    ]  # fmt: skip
    told = [
        f"{what}: {document[f'median_{key}_percent']:.1f} % off in the median, "
        f"{document[f'worst_{key}_percent']:.1f} % at worst"
        for what, key in (("time", "error"), ("net energy", "net_error"), ("power", "power_error"))
        if document[f"median_{key}_percent"] is not None
    ]
    sources = dict.fromkeys(f"{row['board']}: {row['source']}" for row in document["rows"])
    told += ["rows of context (other or unknown kernels) are shown and not judged", "sources:"]
    return "\n".join(
        [*contents, table(rows, heading), "", *told, *(f"    {text}" for text in sources)]
    )


def _contents(profile: Mapping[str, Any]) -> list[str]:
    """Return what a file of a profile holds, in words."""
    figures = ", ".join(f"{count} {basis}" for basis, count in profile["figures"].items())
    lines = [f"{profile['title']}: a profile in every key; figures: {figures or 'none'}"]
    if profile["lacks"]:
        lines += [f"no cost can be modelled from it: it lacks {', '.join(profile['lacks'])}"]
    return [*lines, ""]


def _beside(row: Mapping[str, Any]) -> list[str]:
    if row["published_mw"] is not None:
        ratio = row["model_mw"] / row["published_mw"]
        return [f"{row['published_mw']:.0f} mW", f"{row['model_mw']:.0f} mW", f"{ratio:.2f}",
                "-", "-", "-"]  # fmt: skip
    cells = [f"{row['published_ms']:.3g} ms", f"{row['model_ms']:.3g} ms",
             f"{row['model_ms'] / row['published_ms']:.2f}"]  # fmt: skip
    if row["published_net_mj"] is None:
        return [*cells, "-", "-", "-"]
    ratio = row["model_net_mj"] / row["published_net_mj"]
    return [*cells, f"{row['published_net_mj']:.3g} mJ", f"{row['model_net_mj']:.3g} mJ",
            f"{ratio:.2f}"]  # fmt: skip


@click.command("detect")
@json_option
def detect_command(as_json: bool) -> None:
    """Print the board that this computer is, by its device tree."""
    sysfs = RealSysfs()
    profile = load_profile(detect_board(sysfs))
    document = {
        "board": profile.name,
        "title": profile.title,
        "device_tree": list(device_tree(sysfs)),
        "advice": profile.advice,
    }
    text = f"{profile.name}: {profile.title}"
    emit(as_json, document, f"{text}\n{profile.advice}" if profile.advice else text)


@click.command("restore")
@json_option
def restore_command(as_json: bool) -> None:
    """Put back the clock that a killed process left changed; a live one's is left alone."""
    lease = ClockLease()
    left = lease.exists()
    if left:
        CpufreqClock(RealSysfs(), lease)
    restored = left and not lease.exists()
    document = {"found": left, "restored": restored}
    text = "the clock is put back" if restored else "a live process holds the clock"
    emit(as_json, document, text if left else "nothing to put back")


def _entry(name: str) -> dict[str, Any]:
    profile = load_profile(name.removeprefix("sim:"))
    simulated = name.startswith("sim:")
    real = "real clock" if profile.cpu is None else "real hardware (untested on it)"
    if profile.place == "wire":
        real = "the device's own: --board serial:PORT"
    return {
        "board": name,
        "title": profile.title,
        "clocks_mhz": _clocks(profile),
        "meter": profile.meter.chip if profile.meter else None,
        "time": "virtual, modelled" if simulated else real,
        "synthetic_figures": len(profile.synthetic_keys),
    }


def _clocks(profile: BoardProfile) -> str | None:
    if profile.cpu is None:
        return None
    low, high = profile.cpu.clocks_khz[0], profile.cpu.clocks_khz[-1]
    return f"{low // 1000}..{high // 1000} in {len(profile.cpu.clocks_khz)} steps"


def _source(figure: Figure) -> str:
    """Return where a figure comes from; of a survey also how, when and under what firmware."""
    if not figure.method:
        return figure.source
    return f"{figure.source}: {figure.method}; {figure.date}, {figure.firmware}"


def figure_value(profile: BoardProfile, key: str) -> Any:
    """Return the number that a dotted key of the profile's file became."""
    value: Any = profile
    for part in re.split(r"[.\[\]]+", key.rstrip("]")):
        if isinstance(value, Mapping):
            value = value[part]
        elif isinstance(value, tuple):
            value = value[int(part)]
        else:
            # kernels.int8...: the speeds of the kernels go by arithmetic type.
            value = getattr(value, part) if hasattr(value, part) else value.speeds[part]
    return list(value) if isinstance(value, tuple) else value


def _kernels(profile: BoardProfile) -> dict[str, str] | None:
    if profile.kernels is None:
        return None
    counts = profile.kernels.counts
    return {"name": counts.name, "title": counts.title, "source": counts.source}


def _published(board: str) -> dict[str, Any] | None:
    """Return what the board's model is held against, if anything is."""
    from edge_infer.lab.costs.board_check import check_boards, checked_boards

    return check_boards([board]) if board in checked_boards() else None


def _show(document: dict[str, Any]) -> str:
    tested = ", ".join(document["tested_on"]) or "nothing"
    lines = [f"{document['board']}: {document['title']}", f"tested on: {tested}"]
    lines += [document["advice"]] if document["advice"] else []
    for figure in document["figures"]:
        mark = "" if figure["basis"] == "published" else f" ({figure['basis']})"
        low_high = "" if figure["range"] is None else " ({} to {})".format(*figure["range"])
        lines += ["", f"{figure['key']} = {figure['value']}{low_high}{mark}"]
        lines += [f"    {figure['source']}"]
    for name, reason in document["quirks"].items():
        lines += ["", f"quirk {name}", f"    {reason}"]
    if document["kernels"]:
        lines += ["", f"kernels {document['kernels']['name']}: {document['kernels']['title']}"]
        lines += [f"    {document['kernels']['source']}"]
    if document["published"]:
        lines += ["", "held against what was published:", check_report(document["published"])]
    if not document["figures"]:
        lines += ["", "nothing is stated in numbers: time is measured as it passes"]
    return "\n".join(lines)
