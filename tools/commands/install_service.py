"""`edge-infer install-service`: the systemd unit, the rights it needs, and their removal."""

from pathlib import Path

import click

from edge_infer.commands.options import json_option, option
from edge_infer.commands.render import emit
from edge_infer.commands.service_plan import installation, perform, removal


@click.command("install-service", short_help="Install edge-infer serve as a systemd service.")
@option("--dry-run", is_flag=True, help="Print exactly what would be done, and do nothing.")
@option("--uninstall", is_flag=True, help="Remove all of it, slots and user included.")
@option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    show_default=True,
    help="Put the files below this folder (an image being built); runs no commands there.",
)
@json_option
def install_service_command(dry_run: bool, uninstall: bool, root: Path, as_json: bool) -> None:
    """Install `edge-infer serve` as a service that is not root.

    Writes a systemd unit with watchdog and clock restore, udev rules for I2C and the Edge TPU, and
    the group edge-infer, whose members may set the clock.
    """
    steps = removal(root) if uninstall else installation(root)
    if not dry_run:
        perform(steps)
    texts = [str(step) for step in steps]
    end = "nothing was done" if dry_run else "done"
    emit(as_json, {"done": not dry_run, "steps": texts}, "\n".join([*texts, end]))
