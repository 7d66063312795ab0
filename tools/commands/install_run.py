"""`edge-infer install-service run`: the options of `run` become a service's settings file."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from edge_infer.commands import install_steps
from edge_infer.commands.bundle_place import open_named_bundle
from edge_infer.commands.install_checks import check_options
from edge_infer.commands.install_service import (
    RULES,
    SETTINGS,
    STATE,
    UNITS,
    carry_out,
    dry_run_option,
    root_option,
    unit_of,
    unit_text,
    with_rights,
)
from edge_infer.commands.install_steps import USER, CheckReadable, Run, Step, WriteFile
from edge_infer.commands.options import json_option, option, refuse_existing
from edge_infer.commands.run import run_command
from edge_infer.commands.settings import PROJECT_FILE
from edge_infer.commands.sink_options import STANDARD_OUTPUT
from edge_infer.commands.source_options import CAMERA_NAME, named_input

_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,39}")
_NOT_OF_A_SERVICE = {"live", "as_json"}
"""Options of run for somebody who looks on."""
_OUTPUTS = {"output", "trace", "report_page"}
_SECRETS = {"mqtt_password_file", "operator_key"}
"""Files that root alone may read: systemd hands them over."""
_NETWORK = {"mqtt", "prometheus", "board"}
_LOCAL = """# Nothing of it goes over a network.
IPAddressDeny=any
IPAddressAllow=localhost
"""
_GIVEN = "edge_infer.install_run.given"


class RunAsService(click.Command):
    """A command that keeps what was typed of the options of run, as it was typed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click.Command."""
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[_GIVEN] = given
        return super().parse_args(ctx, args)


@dataclass(frozen=True)
class RunService:
    """A service that runs a bundle.

    Attributes:
        name: of the service.
        bundle: as run takes it: an absolute path, or the name of one that ships.
        settings: of run, by the option's long name: what TOML can hold.
        readable: files that the service's user has to read.
        secrets: credential's name to the file that systemd reads.
    """

    name: str
    bundle: str
    settings: Mapping[str, Any]
    readable: tuple[Path, ...]
    secrets: Mapping[str, Path]

    @property
    def settings_file(self) -> str:
        """Where they stand, below the root folder."""
        return f"{SETTINGS}/{self.name}/{PROJECT_FILE}"

    def unit(self) -> str:
        """Return its unit."""
        loads = [f"LoadCredential={key}:{_escaped(str(p))}\n" for key, p in self.secrets.items()]
        return unit_text(
            "edge-infer-run.service",
            NAME=self.name,
            BUNDLE=_word(self.bundle),
            CREDENTIALS="".join(loads),
            ADDRESSES="" if _NETWORK & set(self.settings) else _LOCAL,
        )

    def settings_text(self) -> str:
        """Return its settings as TOML."""
        lines = [f"{key} = {_toml(value)}" for key, value in self.settings.items()]
        head = f"# Of {unit_of(self.name)}: options of edge-infer run, see docs/settings.md."
        return "\n".join([head, "[run]", *lines]) + "\n"


@click.argument("bundle")
@click.argument("input", required=False, type=str)
@option("--name", help="Name of the service, one for each purpose.  [default: the bundle's name]")
@option("--replace", is_flag=True, help="Replace the service of this name.")
@dry_run_option
@root_option
@json_option
def _install(
    bundle: str,
    input: str | None,
    name: str | None,
    replace: bool,
    dry_run: bool,
    root: Path,
    as_json: bool,
    origin: str | None,
    **options: Any,
) -> None:
    """Install `edge-infer run BUNDLE` as a service, and start it.

    Every option of run is written to a settings file, which the unit reads; files are written to
    the service's own folder below /var/lib. INPUT, or --source, is one that goes on: camera.
    """
    given, opened = click.get_current_context().meta[_GIVEN], open_named_bundle(bundle)
    source = named_input(input, origin)
    check_options(opened, source, given, options, here=root == install_steps.SYSTEM)
    service = _service(opened.manifest.name if name is None else name, bundle, str(source), given)
    unit = root / UNITS / unit_of(service.name)
    refuse_existing(unit, replace)
    carry_out(
        steps_of(service, root),
        dry_run,
        as_json,
        f"settings {root / service.settings_file}",
        f"edge-infer service status|logs|remove {service.name}",
    )


def steps_of(service: RunService, root: Path) -> list[Step]:
    """Return the steps that install and start a service, below "/", or write its files."""
    unit, file = unit_of(service.name), root / service.settings_file
    rules = [WriteFile(root / path, unit_text(name)) for name, path in RULES.items()]
    # An address may hold a password.
    settings = WriteFile(file, service.settings_text(), mode=0o640)
    steps = with_rights(
        root,
        [CheckReadable(path) for path in service.readable],
        [*rules, WriteFile(root / UNITS / unit, service.unit()), settings],
        [
            Run(("chgrp", USER, str(file))),
            Run(("systemctl", "enable", unit), takes_back=("systemctl", "disable", "--now", unit)),
            Run(("systemctl", "restart", unit)),
        ],
    )
    return list(steps)


def _service(name: str, bundle: str, source: str, given: Mapping[str, Any]) -> RunService:
    if not _NAME.fullmatch(name) or name == "serve":
        raise click.UsageError(
            f"{name!r} is no name of a service: --name with a to z, 0 to 9, - and _, not serve"
        )
    readable, secrets = [], {}
    if Path(bundle).exists():
        bundle = _existing("BUNDLE", bundle)
        readable.append(Path(bundle))
    if not CAMERA_NAME.fullmatch(source):
        source = _existing("--source", source)
        readable.append(Path(source))
    settings: dict[str, Any] = {"source": source}
    for param in run_command.params:
        value = given.get(str(param.name))
        if not isinstance(param, click.Option) or param.name not in given or param.name == "origin":
            continue
        key = max(param.opts, key=len)[2:]
        if param.name in _OUTPUTS:
            value = _outputs(name, key, value)
        elif isinstance(param.type, click.Path):
            value = _existing(f"--{key}", str(value))
            if param.name in _SECRETS:
                secrets[key] = Path(value)
                value = f"/run/credentials/{unit_of(name)}/{key}"
            else:
                readable.append(Path(value))
        settings[key] = value
    return RunService(name, _writable(bundle), settings, tuple(readable), secrets)


def _outputs(name: str, key: str, value: Any) -> Any:
    """Return where files go: into the service's own folder, since it may write nowhere else."""
    if isinstance(value, list):
        return [_outputs(name, key, each) for each in value]
    if value == STANDARD_OUTPUT:
        return value
    folder = Path("/", STATE, f"edge-infer-{name}")
    place = folder / value
    if place.parent != folder or place.name in ("", ".."):
        raise click.UsageError(
            f"--{key} {value}: the service may write to {folder} alone; give a name without folder"
        )
    return str(place)


def _existing(written: str, path: str) -> str:
    if not Path(path).exists():
        raise click.UsageError(f"{written} {path}: nothing is there")
    return str(Path(path).absolute())


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(_writable(str(value)), ensure_ascii=False).replace("\x7f", "\\u007f")


def _writable(text: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise click.UsageError(f"{text!r} is no text in UTF-8; give it another name")
    return text


def _word(text: str) -> str:
    """Return a word of a unit's command line, quoted as systemd.syntax(7) says."""
    escaped = _escaped(text).replace("$", "$$")
    return escaped if re.fullmatch(r"[\w./%$@:+=-]+", escaped) else f'"{escaped}"'


def _escaped(text: str) -> str:
    def code(found: re.Match[str]) -> str:
        return f"\\x{ord(found[0]):02x}"

    return re.sub(r'[\x00-\x1f\x7f"\'\\]', code, text).replace("%", "%%")


def _of_run(param: click.Parameter) -> bool:
    return isinstance(param, click.Option) and param.name not in _NOT_OF_A_SERVICE


run_service_command = click.command(
    "run", cls=RunAsService, short_help="Install edge-infer run on a camera."
)(_install)
run_service_command.params += [param for param in run_command.params if _of_run(param)]
