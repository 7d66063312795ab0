"""`edge-infer completion`: what lets a shell complete commands, options and their values."""

import os
from pathlib import Path

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from edge_infer.commands.options import option
from edge_infer.commands.render import note, show
from edge_infer.files import write_whole

PROGRAM, VARIABLE = "edge-infer", "_EDGE_INFER_COMPLETE"
SHELLS: dict[str, type[ShellComplete]] = {
    "bash": BashComplete,
    "zsh": ZshComplete,
    "fish": FishComplete,
}


@click.command("completion", short_help="Print or install what completes commands in a shell.")
@click.argument("shell", type=click.Choice(list(SHELLS)))
@option(
    "--install", is_flag=True, help="Write it to where the shell of this user looks for such files."
)
@click.pass_context
def completion_command(ctx: click.Context, shell: str, install: bool) -> None:
    """Print the script that completes edge-infer in a SHELL, or install it.

    For this session alone: eval "$(edge-infer completion bash)", or in fish: edge-infer completion
    fish | source.
    """
    script = completion_script(ctx.find_root().command, shell)
    if not install:
        show(script.rstrip("\n"))
        return
    path = install_path(shell)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, script)
    show(str(path))
    note(_AFTER[shell].format(folder=path.parent))


def completion_script(root: click.Command, shell: str) -> str:
    """Return the script; the shell itself need not be here."""
    maker = SHELLS[shell](root, {}, PROGRAM, VARIABLE)
    return maker.source_template % maker.source_vars()


def install_path(shell: str) -> Path:
    """Return where a user's own completions of a shell stand (XDG base directories)."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return {
        "bash": data / "bash-completion" / "completions" / PROGRAM,
        "zsh": data / "zsh" / "site-functions" / f"_{PROGRAM}",
        "fish": config / "fish" / "completions" / f"{PROGRAM}.fish",
    }[shell]


_AFTER = {
    "bash": "a new shell completes it, where the package bash-completion is installed",
    "zsh": "a new shell completes it, once ~/.zshrc has: fpath=({folder} $fpath); autoload -Uz "
    "compinit; compinit",
    "fish": "a new shell completes it",
}
