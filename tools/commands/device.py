"""`edge-infer device`: what a device runs, and what it shall run."""

import secrets
from typing import Any

import click

from edge_infer.commands.link_options import Line, line_options
from edge_infer.commands.options import json_option, option
from edge_infer.commands.quantities import energy_text, share_text
from edge_infer.commands.render import emit, table
from edge_infer.firmware_bridge.errors import RolledBackError
from edge_infer.firmware_bridge.host.flashing import START_NS, edge_info, images, reset, slot_of
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.ports import ports
from edge_infer.firmware_bridge.wire.command import Empty
from edge_infer.firmware_bridge.wire.edge import (
    ENGINE,
    ROLLBACK,
    RUN,
    STATISTICS,
    DeviceInfo,
    OpenEngine,
    Ran,
    RollBack,
    RunSamples,
    Statistics,
)
from edge_infer.firmware_bridge.wire.standard import SET_IMAGE_STATE, SetImageState

_LOOK_EVERY_NS = 500_000_000


@click.group("device", short_help="Look after a device on a serial line.")
def device_group() -> None:
    """Look after a device that runs edge-infer serve."""


@device_group.command("ports")
@json_option
def ports_command(as_json: bool) -> None:
    """List the serial ports of this computer."""
    found = ports()
    rows = [(port.name, port.description, port.hardware) for port in found]
    document = [{"name": p.name, "description": p.description, "hardware": p.hardware}
                for p in found]  # fmt: skip
    emit(as_json, document, table(rows) if rows else "there is no serial port")


@device_group.command("status")
@line_options
@json_option
def status_command(line: Line, as_json: bool) -> None:
    """Show slots, the bundle that runs, the last revert and why, and what was counted."""
    with line.link() as link:
        document = device_status(link)
    emit(as_json, document, _status_text(document))


@device_group.command("confirm")
@line_options
@json_option
def confirm_command(line: Line, as_json: bool) -> None:
    """Keep the bundle that runs; older ones are refused from now on."""
    with line.link() as link:
        link.ask(SET_IMAGE_STATE, SetImageState(confirm=True))
        document = device_status(link)
    emit(as_json, document, _status_text(document))


@device_group.command("rollback")
@option("--reason", default="asked by the host", show_default=True, help="Kept on the device.")
@line_options
@json_option
def rollback_command(reason: str, line: Line, as_json: bool) -> None:
    """Reset the device into the bundle that it ran before."""
    with line.link() as link:
        before = slot_of(images(link), 0)
        link.ask(ROLLBACK, RollBack(reason))
        reset(link)
        now = slot_of(images(link), 0)
        document = device_status(link)
    if before and now and before.digest == now.digest:
        raise RolledBackError("the device still runs the same bundle; see edge-infer device status")
    emit(as_json, document, _status_text(document))


@device_group.command("reset")
@line_options
@json_option
def reset_command(line: Line, as_json: bool) -> None:
    """Reset the device: a pending bundle is tried, an unconfirmed one reverted."""
    with line.link() as link:
        reset(link)
        document = device_status(link)
    emit(as_json, document, _status_text(document))


@device_group.command("run")
@option(
    "--frames", type=click.IntRange(1), default=100, show_default=True, help="Frames to answer."
)
@option("--policy", help="Clock policy to change to first.  [default: as it is]")
@line_options
@json_option
def run_command(frames: int, policy: str | None, line: Line, as_json: bool) -> None:
    """Let the device answer frames of the bundle's own samples, and say what they cost."""
    with line.link() as link:
        if policy is not None:
            engine = OpenEngine(secrets.randbits(31), policy)
            link.ask_until_ready(ENGINE, engine, within_ns=START_NS)
        before = link.ask(STATISTICS, Empty())
        run = RunSamples(frames, secrets.randbits(31))
        while not (answer := link.ask_until_ready(RUN, run, within_ns=START_NS)).done:
            link.pause(_LOOK_EVERY_NS)
        after = link.ask(STATISTICS, Empty())
        info = edge_info(link)
    document = _run_document(before, after, answer, info)
    emit(as_json, document, _run_text(document))


def device_status(link: Link) -> dict[str, Any]:
    """Return slots, the bundle that runs and what was counted. Raises as `Link.ask`."""
    entries = [entry.pack() | {"hash": entry.digest.hex()} for entry in images(link)]
    info = edge_info(link)
    return {
        "port": link.port.name,
        "images": entries,
        "device": info and info.pack(),
        "statistics": info and link.ask(STATISTICS, Empty()).pack(),
    }


def _status_text(document: dict[str, Any]) -> str:
    rows = [(str(e["slot"]), e["version"], e["hash"][:16], _words(e)) for e in document["images"]]
    blocks = [table(rows, ("slot", "version", "digest", "state")) if rows else "no bundle yet"]
    info, counted = document["device"], document["statistics"]
    if info is None:
        return "\n\n".join([*blocks, "it speaks SMP, but is no edge-infer device"])
    lines = [_running(info)]
    if revert := info["revert"]:
        version = f" {revert['version']}" if revert["version"] else ""
        lines.append(f"last revert{version}: {revert['reason']}")
    if found := info.get("found"):
        lines.append(f"found damaged at the last reset: {found}")
    lines.append(
        f"{counted['inferences']} inferences, {counted['restarts']} restarts, security counter "
        f"{info['counter']}, {counted['log_end'] - counted['log_first']} log entries"
    )
    if (watched := counted.get("watched")) is not None:
        lines.append(f"{watched} frames held against the calibration's: evidence of others "
                     f"{counted['evidence']:.3g}, alarm at 1000")  # fmt: skip
    if notice := counted.get("notice"):
        lines.append(f"notice: {notice}")
    return "\n\n".join([*blocks, "\n".join(lines)])


def _words(entry: dict[str, Any]) -> str:
    named = ("active", "confirmed", "pending", "permanent")
    return " ".join(name for name in named if entry.get(name)) or "-"


def _running(info: dict[str, Any]) -> str:
    run = info["run"]
    if run is None:
        return f"nothing runs: {info['failure'] or 'it starts, or there is no bundle'}"
    trial = ", on trial" if info["trial"] else ""
    return (
        f"running {run['bundle']} {run['version']} on {run['board']}, policy {run['policy']}{trial}"
    )


def _run_document(
    before: Statistics, after: Statistics, answer: Ran, info: DeviceInfo | None
) -> dict[str, Any]:
    names = info.run.exits if info and info.run else ()
    left_before = dict(before.exits)
    exits = {
        names[index] if index < len(names) else str(index): count - left_before.get(index, 0)
        for index, count in after.exits
    }
    labelled = after.labelled - before.labelled
    right = after.correct - before.correct
    energy = answer.finished and answer.finished.energy
    frames = answer.frames or 1
    return {
        "frames": answer.frames,
        "accuracy": right / labelled if labelled else None,
        "exits": exits,
        "energy_origin": energy and energy.origin,
        "net_uj_per_inference": energy and (after.net_nj - before.net_nj) / frames / 1e3,
        "gross_uj_per_inference": energy and (after.gross_nj - before.gross_nj) / frames / 1e3,
    }


def _run_text(document: dict[str, Any]) -> str:
    exits = ", ".join(f"{name} {count}" for name, count in document["exits"].items())
    net = energy_text(document["net_uj_per_inference"])
    gross = energy_text(document["gross_uj_per_inference"])
    return "\n".join(
        [
            f"frames    {document['frames']}",
            f"accuracy  {share_text(document['accuracy'], 2)}",
            f"exits     {exits}",
            f"energy    {net} net, {gross} gross an inference "
            f"({document['energy_origin'] or 'unknown: no meter'})",
        ]
    )
