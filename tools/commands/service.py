"""`edge-infer service`: what the installed services do, what they said, and their removal."""

import subprocess
import sys
from pathlib import Path

import click

from edge_infer.boards.errors import BoardError
from edge_infer.commands import install_steps
from edge_infer.commands.exit_codes import FAILURE, OK
from edge_infer.commands.install_service import (
    carry_out,
    dry_run_option,
    names,
    unit_of,
    unit_removal,
)
from edge_infer.commands.install_steps import CheckSystemd
from edge_infer.commands.options import json_option, option


@click.group("service")
def service_group() -> None:
    """Watch and remove the services that install-service made."""


@service_group.command("status", short_help="What systemd says of a service, or of all.")
@click.argument("name", required=False)
@click.pass_context
def status_command(ctx: click.Context, name: str | None) -> None:
    """Say what systemd knows of a service; the exit code is 1 unless all of them run."""
    units = _units(name)
    code = _child("systemctl", "status", "--no-pager", "--lines=5", "--", *units)
    ctx.exit(FAILURE if code else OK)


@service_group.command("logs", short_help="What a service said, or all of them.")
@click.argument("name", required=False)
@option(
    "--lines", type=click.IntRange(1, 10**6), default=50, show_default=True, help="The last lines."
)
@option("--follow", is_flag=True, help="Go on with what it says from now.")
@click.pass_context
def logs_command(ctx: click.Context, name: str | None, lines: int, follow: bool) -> None:
    """Print what a service said, from the journal."""
    units = [f"--unit={unit}" for unit in _units(name)]
    follows = ["--follow"] if follow else []
    code = _child("journalctl", "--no-pager", f"--lines={lines}", *follows, *units)
    ctx.exit(FAILURE if code else OK)


@service_group.command("remove", short_help="Stop a service and remove its files.")
@click.argument("name", required=False)
@dry_run_option
@json_option
def remove_command(name: str | None, dry_run: bool, as_json: bool) -> None:
    """Stop a service, and remove its unit, its settings and what it wrote below /var/lib.

    The user edge-infer and its rights stay: `edge-infer install-service --uninstall` removes them.
    """
    found = _named(name)
    if len(found) > 1:
        raise click.UsageError(f"name the service to remove: {', '.join(found)}")
    carry_out(unit_removal(found[0], install_steps.SYSTEM), dry_run, as_json)


def _named(name: str | None) -> list[str]:
    """Return the services that a name means, all without one. Raises click.UsageError."""
    there = names(install_steps.SYSTEM)
    if not there:
        raise BoardError(
            "no service is installed: edge-infer install-service run BUNDLE --source camera"
        )
    if name is not None and name not in there:
        raise click.UsageError(f"there is no service {name}; there are: {', '.join(there)}")
    return there if name is None else [name]


def _units(name: str | None) -> list[str]:
    found = _named(name)
    CheckSystemd().do()
    return [unit_of(each) for each in found]


def _child(*words: str) -> int:
    """Run a command on our own streams and return its exit code. Raises BoardError."""
    sys.stdout.flush()
    try:
        return subprocess.run(words, check=False).returncode
    except OSError as error:
        raise BoardError(f"{Path(words[0]).name}: {error.strerror}") from error
