"""`edge-infer doctor`: what is missing here, each thing with the command that mends it."""

from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import click

from edge_infer.boards.sysfs import RealSysfs
from edge_infer.commands.doctor_board import (
    board_findings,
    clock_findings,
    gpio_findings,
    i2c_findings,
    lying_clock_findings,
    meter_findings,
    throttle_findings,
)
from edge_infer.commands.doctor_system import (
    Finding,
    backend_findings,
    disk_findings,
    memory_findings,
    name_findings,
    python_findings,
    serial_findings,
)
from edge_infer.commands.exit_codes import FAILURE, OK
from edge_infer.commands.options import json_option, option
from edge_infer.commands.render import emit
from edge_infer.firmware_bridge.host.ports import ports

SIGNS = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}


@click.command("doctor", short_help="Look for what is missing, and say what mends it.")
@option("--clocks", is_flag=True, help="Also set every clock once and check what really runs.")
@json_option
@click.pass_context
def doctor_command(ctx: click.Context, clocks: bool, as_json: bool) -> None:
    """Look for what is missing here, and say what mends it.

    Changes nothing, but with --clocks sets each clock for a moment. Exit code 1 if there is a
    problem.
    """
    findings = list(all_findings(clocks))
    problems = sum(finding.status == "problem" for finding in findings)
    document = {
        "problems": problems,
        "findings": [asdict(finding) for finding in findings],
    }
    emit(as_json, document, "\n".join(_lines(findings)))
    ctx.exit(FAILURE if problems else OK)


def all_findings(clocks: bool) -> Iterator[Finding]:
    """Look at everything, software first."""
    sysfs = RealSysfs()
    yield from python_findings()
    yield from backend_findings()
    yield from name_findings(metadata.packages_distributions())
    yield from board_findings(sysfs)
    yield from i2c_findings()
    yield from meter_findings(sysfs)
    yield from gpio_findings()
    yield from clock_findings(sysfs)
    if clocks:
        yield from lying_clock_findings(sysfs)
    yield from throttle_findings(sysfs)
    yield from serial_findings(ports())
    yield from memory_findings()
    yield from disk_findings(Path.cwd())


def _lines(findings: list[Finding]) -> Iterator[str]:
    for finding in findings:
        yield f"{SIGNS[finding.status]}  {finding.check}: {finding.text}"
        if finding.mend:
            yield f"         -> {finding.mend}"
