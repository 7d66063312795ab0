"""`edge-infer install-service`: systemd units, the rights they need, and their removal.

What is done is a list of steps first: to print it, to do it, to undo it.
"""

import pwd
import re
import sys
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge_infer.boards.cpufreq_policy import GOVERNOR, MAX_KHZ, MIN_KHZ, POLICIES, SETSPEED
from edge_infer.commands import install_steps
from edge_infer.commands.install_steps import (
    USER,
    CheckReachable,
    CheckSystemd,
    Remove,
    ResetRights,
    Run,
    Step,
    WriteFile,
    perform,
)
from edge_infer.commands.lazy_group import LazyGroup
from edge_infer.commands.options import json_option, option
from edge_infer.commands.render import emit

RULES = {
    "edge-infer.sysusers": "usr/lib/sysusers.d/edge-infer.conf",
    "edge-infer.tmpfiles": "usr/lib/tmpfiles.d/edge-infer.conf",
    "edge-infer.rules": "usr/lib/udev/rules.d/60-edge-infer.rules",
}
"""Of this package -> where it goes: what all services share. /usr/lib is read by every systemd."""
FILES = RULES | {"edge-infer.service": "etc/systemd/system/edge-infer.service"}
"""Of serve. /etc is the administrator's: the unit names this very installation of Python."""
FOLDERS = ("run/edge-infer", "var/lib/edge-infer", "var/cache/edge-infer")
"""What the service keeps."""
CLOCK_FILES = (GOVERNOR, SETSPEED, MIN_KHZ, MAX_KHZ)
"""Whose rights edge-infer.tmpfiles changes."""
UNIT = "edge-infer.service"
UNITS = "etc/systemd/system"
SETTINGS = "etc/edge-infer"
STATE = "var/lib"
TMPFILES = "/usr/bin/systemd-tmpfiles"

dry_run_option = option(
    "--dry-run", is_flag=True, help="Print exactly what would be done, and do nothing."
)
root_option = option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    show_default=True,
    help="Put the files below this folder (an image being built); runs no commands there.",
)
_COMMANDS = {
    "serve": (
        ".install_service",
        "serve_service_command",
        "Install edge-infer serve.",
    ),
    "run": (".install_run", "run_service_command", "Install edge-infer run on a camera."),
}


def _serve_options(command: Callable[..., Any]) -> Callable[..., Any]:
    uninstall = option(
        "--uninstall", is_flag=True, help="Remove every service, slots and user included."
    )
    return dry_run_option(uninstall(root_option(json_option(command))))


@click.group(
    "install-service",
    cls=LazyGroup,
    table=_COMMANDS,
    invoke_without_command=True,
    short_help="Install edge-infer run or serve as a systemd service.",
)
@_serve_options
@click.pass_context
def install_service_command(
    ctx: click.Context, dry_run: bool, uninstall: bool, root: Path, as_json: bool
) -> None:
    """Install `edge-infer serve` or `edge-infer run` as a service that is not root.

    Writes a systemd unit with clock restore, udev rules for I2C and the Edge TPU, and the group
    edge-infer, whose members may set the clock. Without a command it is serve, with watchdog.
    """
    if ctx.invoked_subcommand is None:
        install_serve(dry_run, uninstall, root, as_json)
        return
    for name in ctx.params:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            written = {"as_json": "--json"}.get(name, f"--{name.replace('_', '-')}")
            raise click.UsageError(f"write {written} behind {ctx.invoked_subcommand}")


@click.command("serve", short_help="Install edge-infer serve.")
@_serve_options
def serve_service_command(dry_run: bool, uninstall: bool, root: Path, as_json: bool) -> None:
    """Install `edge-infer serve` as a service; its options stand in /etc/edge-infer/serve.env."""
    install_serve(dry_run, uninstall, root, as_json)


def install_serve(dry_run: bool, uninstall: bool, root: Path, as_json: bool) -> None:
    """Install serve, or remove all services; or say what that would be."""
    carry_out(removal(root) if uninstall else installation(root), dry_run, as_json)


def carry_out(steps: Sequence[Step], dry_run: bool, as_json: bool, *more: str) -> None:
    """Do steps, or not, and print them, and more lines once they are done. Raises BoardError."""
    if not dry_run:
        perform(steps)
    texts = [str(step) for step in steps]
    end = ["nothing was done"] if dry_run else [*more, "done"]
    emit(as_json, {"done": not dry_run, "steps": texts}, "\n".join([*texts, *end]))


def installation(root: Path = Path("/")) -> Sequence[Step]:
    """Return the steps that install serve.

    Args:
        root: below which the files go; commands run only for "/".
    """
    steps = [WriteFile(root / path, unit_text(name)) for name, path in FILES.items()]
    return with_rights(root, (), steps, [Run(("systemctl", "enable", UNIT))])


def with_rights(
    root: Path, checks: Sequence[Step], files: Sequence[Step], starts: Sequence[Step]
) -> Sequence[Step]:
    """Return checks, files and starts with what makes the user and its rights between them.

    Args:
        root: below which the files go; of others than "/" they alone are done.
        checks: before anything is written.
        files: the rules' among them.
        starts: what systemd is told at the end.
    """
    if root != install_steps.SYSTEM:
        return files
    return [
        CheckReachable(Path(sys.executable)),
        CheckSystemd(),
        *checks,
        *files,
        Run(("systemd-sysusers", "edge-infer.conf"), takes_back=_user_removal()),
        Run(("systemd-tmpfiles", "--create", "edge-infer.conf")),
        Run(("udevadm", "control", "--reload"), may_fail=True),
        Run(("udevadm", "trigger", "--action=change"), may_fail=True),
        Run(("systemctl", "daemon-reload")),
        *starts,
    ]


def removal(root: Path = Path("/")) -> Sequence[Step]:
    """Return the steps that leave nothing of it: files, rights, state, slots, user and group.

    The groups of the system that the user was in (i2c, dialout, gpio, video, plugdev) stay.
    """
    runs = [step for name in names(root) if name != "serve" for step in unit_removal(name, root)]
    files: list[Step] = [Remove(root / path) for path in FILES.values()]
    folders: list[Step] = [Remove(root / path) for path in FOLDERS]
    if root != install_steps.SYSTEM:
        return [*runs, *files, *folders]
    command = (sys.executable, "-m", "edge_infer", "boards", "restore")
    return [
        *runs,
        Run(("systemctl", "disable", "--now", UNIT), may_fail=True),
        Run(command, may_fail=True),
        *files,
        *folders,
        Run(("systemctl", "daemon-reload"), may_fail=True),
        Run(("udevadm", "control", "--reload"), may_fail=True),
        *(ResetRights(Path("/sys"), f"{POLICIES}/policy*/{name}") for name in CLOCK_FILES),
        Run(("userdel", USER), may_fail=True),
        Run(("groupdel", USER), may_fail=True),
    ]


def unit_removal(name: str, root: Path) -> Sequence[Step]:
    """Return the steps that remove one service's unit, settings and state; user and rules stay."""
    unit = unit_of(name)
    folders = (f"{SETTINGS}/{name}", f"{STATE}/edge-infer-{name}") if name != "serve" else ()
    files = [Remove(root / path) for path in (f"{UNITS}/{unit}", *folders)]
    if root != install_steps.SYSTEM:
        return files
    return [
        Run(("systemctl", "disable", "--now", unit), may_fail=True),
        *files,
        Run(("systemctl", "daemon-reload"), may_fail=True),
    ]


def unit_of(name: str) -> str:
    """Return the unit of a service."""
    return UNIT if name == "serve" else f"edge-infer-{name}.service"


def names(root: Path) -> list[str]:
    """Return the services that are installed."""
    found = sorted((root / UNITS).glob("edge-infer*.service"))
    return ["serve" if path.name == UNIT else path.stem[len("edge-infer-") :] for path in found]


def unit_text(name: str, **places: str) -> str:
    """Return a file of this package with its places filled: @NAME@ and what all have."""
    folder = resources.files("edge_infer.boards") / "system"
    text = (folder / name).read_text(encoding="utf-8")
    filled = {
        "HARDENING": (folder / "hardening.conf").read_text(encoding="utf-8").rstrip("\n"),
        "COMMAND": f"{sys.executable} -m edge_infer",
        "TMPFILES": TMPFILES,
    }
    filled |= places
    return re.sub("@([A-Z]+)@", lambda found: filled[found[1]], text)


def _user_removal() -> tuple[str, ...]:
    """Return what takes the user back, nothing where there is one already."""
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return ("userdel", USER)
    return ()
