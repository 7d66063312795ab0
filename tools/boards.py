"""`edge-infer boards`: what boards there are, and what is known of each."""

import click


@click.group("boards", short_help="List boards and show what is known of them.")
def boards_group() -> None:
    """List boards and show what is known of them."""
