"""`edge-infer bundle pack|sign|keygen`, and what `bundle verify` does with a file."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from edge_infer.commands.bundle_place import refuse_model
from edge_infer.commands.options import json_option, option
from edge_infer.commands.quantities import RATE, Duration, Number
from edge_infer.commands.render import emit, table
from edge_infer.files import write_whole
from edge_infer.firmware_bridge.errors import ImageError
from edge_infer.firmware_bridge.image.bundle_file import (
    BundleFileInfo,
    check_image,
    lay_out,
    pack_bundle,
    read_bundle_file,
    sign_bundle_file,
    verify_bundle_file,
)
from edge_infer.firmware_bridge.image.clock_plan import clock_plan
from edge_infer.firmware_bridge.image.keys import SigningKey, TrustedKeys
from edge_infer.firmware_bridge.image.mcuboot_image import ImageVersion
from edge_infer.models_tflite import Bundle, open_bundle
from edge_infer.runtime.arrivals import BackToBack, Periodic

key_file = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("pack", short_help="Make one file of a bundle folder.")
@click.argument("bundle")
@option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
        help="File to write.  [default: ./NAME.bundle]")  # fmt: skip
@option("--key", type=key_file, help="Private key to sign with.")
@option("--security-counter", type=click.IntRange(0, 0xFFFFFFFF), default=0, show_default=True,
        help="Devices refuse counters below the one they confirmed last.")  # fmt: skip
@option("--image-version", help="Version to put in, as 1.2.3+4.  [default: the manifest's]")
@option("--plan-board", metavar="BOARD|FILE",
        help="Put in a plan of the clocks of this board, sim:NAME for a modelled one, or of the "
             "board whose measured cost table is in FILE: a microcontroller of that name then "
             "knows the policy planned.")  # fmt: skip
@option("--plan-deadline", type=Duration(), help="What to plan for: arrival to answer, as 20ms.")
@option("--plan-loss", type=Number(0, 100), metavar="POINTS",
        help="Percentage points of accuracy that the plan may lose by leaving before a threshold "
             "says so.  [default: it never does]")  # fmt: skip
@option("--plan-rate", type=RATE, help="Frames per second to plan for.  [default: back to back]")
@json_option
def pack_command(
    bundle: str,
    output: Path | None,
    key: Path | None,
    security_counter: int,
    image_version: str | None,
    plan_board: str | None,
    plan_deadline: int | None,
    plan_loss: float | None,
    plan_rate: float | None,
    as_json: bool,
) -> None:
    """Make one file of BUNDLE, a folder or the name of one that ships: NAME.bundle."""
    asked = {"--plan-deadline": plan_deadline, "--plan-rate": plan_rate, "--plan-loss": plan_loss}
    alone = [name for name, value in asked.items() if value is not None]
    if alone and not plan_board:
        raise click.UsageError(f"{alone[0]} says what to plan for: name the board, --plan-board")
    opened = open_bundle(bundle)
    signing = SigningKey.load(key) if key else None
    version = ImageVersion.parse(image_version) if image_version else None
    arrivals = BackToBack() if plan_rate is None else Periodic(plan_rate)
    try:
        plan = (
            clock_plan(opened, plan_board, arrivals, plan_deadline, plan_loss)
            if plan_board
            else None
        )
    except OSError as error:
        raise click.FileError(str(plan_board), error.strerror) from error
    data = pack_bundle(opened.path, version, security_counter, signing, plan)
    path = output or Path(f"{opened.manifest.name}.bundle")
    write_whole(path, data)
    own = TrustedKeys([(key.stem, signing.public)]) if key and signing else TrustedKeys()
    _show(path, verify_bundle_file(path, own, allow_unsigned=True), as_json)


@click.command("sign", short_help="Sign a bundle file.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@option("--key", type=key_file, required=True, help="Private key to sign with.")
@option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
        help="File to write.  [default: FILE itself]")  # fmt: skip
@option("--security-counter", type=click.IntRange(0, 0xFFFFFFFF),
        help="Counter to put in.  [default: the one that is there]")  # fmt: skip
@json_option
def sign_command(
    file: Path, key: Path, output: Path | None, security_counter: int | None, as_json: bool
) -> None:
    """Sign FILE with a key; a signature that is there is replaced."""
    signing = SigningKey.load(key)
    data = sign_bundle_file(read_bundle_file(file), signing, security_counter)
    path = output or file
    write_whole(path, data)
    _show(path, verify_bundle_file(path, TrustedKeys([(key.stem, signing.public)])), as_json)


@click.command("keygen", short_help="Make a key pair to sign bundles with.")
@click.argument("name", type=click.Path(path_type=Path))
@json_option
def keygen_command(name: Path, as_json: bool) -> None:
    """Make NAME.pem, to keep secret, and NAME.pub.pem, for devices to trust."""
    private = name.with_name(name.name + ".pem")
    public = name.with_name(name.name + ".pub.pem")
    if private.exists() or public.exists():
        raise click.UsageError(f"{private} or {public} exists; keys are not overwritten")
    key = SigningKey.generate()
    key.save(private)
    key.save_public(public)
    document = {
        "private": str(private),
        "public": str(public),
        "key_hash": key.key_hash.hex(),
    }
    emit(as_json, document, f"{private}: keep it secret\n{public}: give it to devices (--trust)")


def verify_file(
    path: Path,
    trust: Path | None,
    allow_unsigned: bool,
    as_json: bool,
    run_stages: Callable[[Bundle], object] = lambda bundle: None,
) -> None:
    """Check a bundle file and print what it is: `bundle verify` of a file.

    Raises:
        ImageError: it is damaged, or not signed by a key of `trust`.
        BundleError: what it holds is no bundle, or `run_stages` raised it.
    """
    refuse_model(path)
    keys = TrustedKeys.load(trust) if trust else TrustedKeys()
    try:
        info = verify_bundle_file(path, keys, allow_unsigned=allow_unsigned)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    with tempfile.TemporaryDirectory(prefix="edge-infer-") as folder:
        held = Path(folder) / path.name
        lay_out(check_image(read_bundle_file(path), keys, allow_unsigned=allow_unsigned), held)
        run_stages(open_bundle(held))
    _show(path, info, as_json)


def _show(path: Path, info: BundleFileInfo, as_json: bool) -> None:
    document = {"path": str(path)} | asdict(info)
    rows = [
        ("file", str(path)),
        ("version", info.version),
        ("security counter", str(info.security_counter)),
        ("digest", info.digest),
        ("signed by", info.signed_by),
        ("holds", f"{len(info.files)} files, {sum(info.files.values())} bytes"),
    ]
    emit(as_json, document, table(rows))


pack_commands = (pack_command, sign_command, keygen_command)
"""What `edge-infer bundle` adds to its group."""
