"""`edge-infer boards`: what boards there are, and what is known of each."""

import re
from collections.abc import Mapping
from typing import Any

import click

from edge_infer.boards import board_names
from edge_infer.boards.clock_lease import ClockLease
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.profile import BoardProfile, load_profile, profile_names
from edge_infer.boards.registry import detect_board, device_tree
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.commands.options import json_option
from edge_infer.commands.render import emit, table


@click.group("boards", short_help="List boards and show what is known of them.")
def boards_group() -> None:
    """List boards and show what is known of them."""


@boards_group.command("list")
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


@boards_group.command("show")
@click.argument("board")
@json_option
def show_command(board: str, as_json: bool) -> None:
    """Show every number known of BOARD with its source."""
    profile = load_profile(board.removeprefix("sim:"))
    figures = [
        {
            "key": key,
            "value": _value(profile, key),
            "basis": figure.basis,
            "source": figure.source,
        }
        for key, figure in profile.figures.items()
    ]
    document = {
        "board": profile.name,
        "title": profile.title,
        "compatible": list(profile.compatible),
        "figures": figures,
        "quirks": dict(profile.quirks),
        "tested_on": list(profile.tested),
        "advice": profile.advice,
    }
    emit(as_json, document, _show(document))


@boards_group.command("detect")
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


@boards_group.command("restore")
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


def _value(profile: BoardProfile, key: str) -> Any:
    """Return the number that a dotted key of the profile's file became."""
    value: Any = profile
    for part in re.split(r"[.\[\]]+", key.rstrip("]")):
        if isinstance(value, Mapping):
            value = value[part]
        elif isinstance(value, tuple):
            value = value[int(part)]
        else:
            value = getattr(value, part)
    return list(value) if isinstance(value, tuple) else value


def _show(document: dict[str, Any]) -> str:
    tested = ", ".join(document["tested_on"]) or "nothing"
    lines = [f"{document['board']}: {document['title']}", f"tested on: {tested}"]
    lines += [document["advice"]] if document["advice"] else []
    for figure in document["figures"]:
        mark = "" if figure["basis"] == "published" else f" ({figure['basis']})"
        lines += ["", f"{figure['key']} = {figure['value']}{mark}", f"    {figure['source']}"]
    for name, reason in document["quirks"].items():
        lines += ["", f"quirk {name}", f"    {reason}"]
    if not document["figures"]:
        lines += ["", "nothing is stated in numbers: time is measured as it passes"]
    return "\n".join(lines)
