"""`edge-infer device`: what a device runs, and what it shall run."""

import secrets
from typing import Any

import click

from edge_infer.commands.link_options import (
    baud_option,
    framing_option,
    open_link,
    port_option,
    set_lines_option,
)
from edge_infer.commands.options import json_option, option
from edge_infer.commands.quantities import energy_text, share_text
from edge_infer.commands.render import emit, table
from edge_infer.firmware_bridge.errors import RolledBackError
from edge_infer.firmware_bridge.groups import edge_group, image_group
from edge_infer.firmware_bridge.host.find_port import ports
from edge_infer.firmware_bridge.host.flashing import START_NS, edge_info, images, reset, slot_of
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.smp.message import Body, Group, Op

_LOOK_EVERY_NS = 500_000_000


def _link_options(command: Any) -> Any:
    for add in (json_option, set_lines_option, framing_option, baud_option, port_option):
        command = add(command)
    return command


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
@_link_options
def status_command(
    port: str | None, baud: int, framing: str, set_lines: bool, as_json: bool
) -> None:
    """Show slots, the bundle that runs, the last revert and why, and what was counted."""
    with open_link(port, baud, framing, set_lines) as link:
        document = _status(link)
    emit(as_json, document, _status_text(document))


@device_group.command("confirm")
@_link_options
def confirm_command(
    port: str | None, baud: int, framing: str, set_lines: bool, as_json: bool
) -> None:
    """Keep the bundle that runs; older ones are refused from now on."""
    with open_link(port, baud, framing, set_lines) as link:
        link.ask(Op.WRITE, Group.IMAGE, image_group.STATE, {"confirm": True})
        document = _status(link)
    emit(as_json, document, _status_text(document))


@device_group.command("rollback")
@option("--reason", default="asked by the host", show_default=True, help="Kept on the device.")
@_link_options
def rollback_command(
    reason: str, port: str | None, baud: int, framing: str, set_lines: bool, as_json: bool
) -> None:
    """Reset the device into the bundle that it ran before."""
    with open_link(port, baud, framing, set_lines) as link:
        before = slot_of(images(link), 0)
        link.ask(Op.WRITE, Group.EDGE_INFER, edge_group.ROLLBACK, {"reason": reason})
        reset(link)
        document = _status(link)
    now = slot_of(document["images"], 0)
    if before and now and before["hash"].hex() == now["hash"]:
        raise RolledBackError("the device still runs the same bundle; see edge-infer device status")
    emit(as_json, document, _status_text(document))


@device_group.command("reset")
@_link_options
def reset_command(
    port: str | None, baud: int, framing: str, set_lines: bool, as_json: bool
) -> None:
    """Reset the device: a pending bundle is tried, an unconfirmed one reverted."""
    with open_link(port, baud, framing, set_lines) as link:
        reset(link)
        document = _status(link)
    emit(as_json, document, _status_text(document))


@device_group.command("run")
@option(
    "--frames", type=click.IntRange(1), default=100, show_default=True, help="Frames to answer."
)
@option("--policy", help="Clock policy to change to first.  [default: as it is]")
@_link_options
def run_command(
    frames: int,
    policy: str | None,
    port: str | None,
    baud: int,
    framing: str,
    set_lines: bool,
    as_json: bool,
) -> None:
    """Let the device answer frames of the bundle's own samples, and say what they cost."""
    with open_link(port, baud, framing, set_lines) as link:
        if policy is not None:
            _ask(link, edge_group.ENGINE, {"policy": policy})
        before = link.ask(Op.READ, Group.EDGE_INFER, edge_group.STATISTICS)
        number = secrets.randbits(31)
        body = {"frames": frames, "n": number}
        while not (answer := _ask(link, edge_group.RUN, body, number))["done"]:
            link.pause(_LOOK_EVERY_NS)
        after = link.ask(Op.READ, Group.EDGE_INFER, edge_group.STATISTICS)
        info = edge_info(link)
    document = _run_document(before, after, answer, info)
    emit(as_json, document, _run_text(document))


def _ask(link: Link, command: int, body: Body, number: int | None = None) -> Body:
    numbered = body | {"n": secrets.randbits(31) if number is None else number}
    return link.ask_until_ready(Op.WRITE, Group.EDGE_INFER, command, numbered, within_ns=START_NS)


def _status(link: Link) -> dict[str, Any]:
    entries = [entry | {"hash": entry["hash"].hex()} for entry in images(link)]
    info = edge_info(link)
    statistics = (
        link.ask(Op.READ, Group.EDGE_INFER, edge_group.STATISTICS) if info is not None else None
    )
    return {"port": link.port.name, "images": entries, "device": info, "statistics": statistics}


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
    lines.append(
        f"{counted['inferences']} inferences, {counted['restarts']} restarts, security counter "
        f"{info['counter']}, {counted['log_end'] - counted['log_first']} log entries"
    )
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


def _run_document(before: Body, after: Body, answer: Body, info: Body | None) -> dict[str, Any]:
    names = ((info or {}).get("run") or {}).get("exits", [])
    left_before = dict(before["exits"])
    exits = {
        names[index] if index < len(names) else str(index): count - left_before.get(index, 0)
        for index, count in after["exits"]
    }
    labelled = after["labelled"] - before["labelled"]
    right = after["correct"] - before["correct"]
    energy = answer.get("energy")
    return {
        "frames": answer["frames"],
        "accuracy": right / labelled if labelled else None,
        "exits": exits,
        "energy_origin": energy and energy["origin"],
        "net_uj_per_inference": energy and (after["net"] - before["net"]) / answer["frames"] / 1e3,
        "gross_uj_per_inference": energy
        and (after["gross"] - before["gross"]) / answer["frames"] / 1e3,
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
