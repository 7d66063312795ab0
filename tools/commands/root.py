"""The root of the `edge-infer` command: subcommands by name, and the one place for errors.

Commands are imported when they are called, so that `run` on a small board does not pay for
`train`.
"""

import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from edge_infer.commands import exit_codes
from edge_infer.commands.lazy_group import LazyGroup
from edge_infer.commands.logs import log_from, verbose_option
from edge_infer.commands.render import begin_progress, end_progress, printable, say
from edge_infer.commands.settings import default_map
from edge_infer.commands.standard_streams import drop_output, open_standard_streams

COMMANDS = {
    "run": (".run", "run_command", "Answer frames with a bundle on a board."),
    "cost": (".cost", "cost_command", "What a model costs on a board, before it is built."),
    "measure": (".measure", "measure_command", "Measure what a bundle's stages cost on a board."),
    "compare": (
        ".compare",
        "compare_command",
        "Compare policies on the same frames and arrivals.",
    ),
    "design": (
        ".design",
        "design_command",
        "The cheapest cascade, exits or plain net of some candidates.",
    ),
    "adapt": (
        ".adapt",
        "adapt_command",
        "Exits on a published net, for the classes of your pictures.",
    ),
    "tune": (".tune", "tune_command", "Choose a bundle's exit thresholds for a board."),
    "report": (".report", "report_command", "Make a page of a run's log, or of two side by side."),
    "reproduce": (".reproduce", "reproduce_group", "Print a paper's figures beside ours."),
    "bench": (".bench", "bench_command", "Measure the runtime's own cost on this computer."),
    "boards": (".boards", "boards_group", "List boards and show what is known of them."),
    "bundle": (".bundle", "bundle_group", "Build, show and check model bundles."),
    "flash": (".flash", "flash_command", "Send a bundle to a board over a serial line."),
    "device": (".device", "device_group", "Ask and steer a board over a serial line."),
    "fleet": (".fleet", "fleet_group", "Ask, flash and stream many boards side by side."),
    "serve": (".serve", "serve_command", "Be the device at the end of a serial line."),
    "power": (".power", "power_group", "Watch, record, report and calibrate power meters."),
    "doctor": (".doctor", "doctor_command", "Look for what is missing, and say what mends it."),
    "install-service": (
        ".install_service",
        "install_service_command",
        "Install edge-infer run or serve as a systemd service.",
    ),
    "service": (".service", "service_group", "Watch and remove installed services."),
    "train": (".train", "train_command", "Train a bundle from a recipe."),
    "init": (".init", "init_command", "Write an edge-infer.toml for what is found here."),
    "completion": (
        ".completion",
        "completion_command",
        "Print or install what completes commands in a shell.",
    ),
    "config": (".config", "config_group", "Show the options' values, and where each is from."),
}
"""Name -> module, object, one line of help (so that listing imports nothing)."""
LONG = frozenset(
    {"bundle", "compare", "cost", "design", "flash", "measure", "report", "reproduce", "run"}
    | {"train", "adapt", "tune"}
)
"""They compute for a while, and ask nothing: a terminal shows that they are at it."""


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every option has an environment variable, EDGE_INFER_ and its name; defaults also "
    "come from ./edge-infer.toml and the user's edge-infer.toml.",
)
@click.version_option(
    None, "-V", "--version", package_name="edge-infer", message="edge-infer %(version)s"
)
@verbose_option
@click.pass_context
def root(ctx: click.Context) -> None:
    """Run quantised TFLite models that adapt, on small boards, for the fewest joules."""
    ctx.default_map = default_map(root, ctx)
    if ctx.invoked_subcommand in LONG:
        begin_progress(ctx.invoked_subcommand)


class Terminated(BaseException):
    """SIGTERM came: unwind, so that clocks are put back."""


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit. Errors of ours and of the system are one line on standard error."""
    open_standard_streams()
    log_from(logging.WARNING)
    signal.signal(signal.SIGTERM, _terminate)
    code = run_line(arguments)
    drop_output()
    sys.exit(code)


def run_line(arguments: Sequence[str] | None) -> int:
    """Run the command and return its exit code; `arguments` are the process's own if None."""
    try:
        result = root.main(arguments, prog_name="edge-infer", standalone_mode=False)
        _flush_output()
        return result if isinstance(result, int) else exit_codes.OK
    except click.ClickException as error:
        told = io.StringIO()
        error.show(told)
        say(told.getvalue().rstrip("\n").expandtabs(4))  # click lists choices so
        return error.exit_code
    except click.Abort:
        return exit_codes.INTERRUPTED
    except Terminated:
        return exit_codes.TERMINATED
    except BrokenPipeError:
        # The reader went away (`| head`): nothing is left to say, and nowhere to say it.
        return exit_codes.FAILURE
    except exit_codes.OURS as error:
        say(printable(f"error: {error}"))
        return exit_codes.exit_code_of(error)
    except OSError as error:
        say(printable(f"error: {_cause(error)}"))
        return exit_codes.FAILURE
    finally:
        end_progress()
        drop_output()


def _flush_output() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        error.filename = "standard output"
        raise


def _cause(error: OSError) -> str:
    """Return what the system refused, and of which file."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{os.fsdecode(error.filename)}: {reason}" if error.filename is not None else reason
