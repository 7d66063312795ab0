"""`-v` and `-vv` of every command: what it decides, and what goes over lines and buses.

Loggers are named by module. Nothing below a warning is said, or formatted, without them.
"""

import logging
from typing import Any

import click

from edge_infer.commands.options import option
from edge_infer.commands.render import printable, say, warn

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_ROOT = "edge_infer"


class _StandardError(logging.Handler):
    """Says each record in one line: seconds since the start, module, message; warnings as such."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        if record.levelno >= logging.WARNING:
            warn(record.getMessage())
            return
        name = record.name.removeprefix(f"{_ROOT}.")
        say(printable(f"{record.relativeCreated / 1000:9.4f} {name}: {record.getMessage()}"))


def log_from(level: int) -> None:
    """Say what is logged from this level on, a standard one."""
    logger = logging.getLogger(_ROOT)
    logger.handlers = [_StandardError()]
    logger.propagate = False
    logger.setLevel(level)


def _more(ctx: click.Context, param: click.Parameter, count: int) -> None:
    """Raise the level to that of `count`; the root's and the command's own add up."""
    total = ctx.meta[__name__] = min(ctx.meta.get(__name__, 0) + count, len(_LEVELS) - 1)
    if count:
        log_from(_LEVELS[total])


verbose_option = option(
    "-v",
    "--verbose",
    count=True,
    expose_value=False,
    callback=_more,
    help="Say what is decided; -vv also what goes over lines and buses, in hex.",
)


def verbose(command: click.Command) -> click.Command:
    """Add -v to a command, and to the commands of a group; to each once."""
    commands: dict[str, Any] = getattr(command, "commands", {})
    for each in commands.values():
        verbose(each)
    if not any("--verbose" in parameter.opts for parameter in command.params):
        verbose_option(command)
    return command
