"""`edge-infer fleet`: many boards, side by side."""

import click

from edge_infer.commands.lazy_group import LazyGroup

COMMANDS = {
    "status": (".fleet_boards", "status_command", "Show what every board runs."),
    "flash": (".fleet_flash", "fleet_flash_command", "Put a bundle on the boards, in waves."),
    "confirm": (".fleet_boards", "confirm_command", "Keep the bundle that runs on every board."),
    "rollback": (".fleet_boards", "rollback_command", "Go back to the bundle before."),
    "stream": (".fleet_stream", "fleet_stream_command", "Write one power log a board."),
}
"""Name -> module, object, one line of help."""


@click.group("fleet", cls=LazyGroup, table=COMMANDS)
def fleet_group() -> None:
    """Ask, flash and stream the boards that a file, fleet.toml, lists."""
