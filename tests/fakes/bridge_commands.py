"""Commands that are invoked as a user would, on a device in this process."""

import json
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]


def invoke(command: click.Command, *arguments: object) -> Any:
    done = CliRunner().invoke(command, [str(part) for part in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.stdout
