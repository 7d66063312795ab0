"""`edge-infer flash`: put a bundle on a device and see it run."""

from dataclasses import asdict
from pathlib import Path

import click

from edge_infer.commands.link_options import Line, line_options
from edge_infer.commands.options import json_option, option
from edge_infer.commands.progress import bar
from edge_infer.commands.render import emit, note
from edge_infer.firmware_bridge.host.flashing import FlashReport, flash


@click.command("flash", short_help="Put a bundle on a device over a serial line.")
@click.argument("bundle")
@line_options
@option("--confirm", is_flag=True, help="Keep it.  [default: on trial, the next reset reverts it]")
@option(
    "--key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Private key to sign a bundle folder with.",
)
@json_option
def flash_command(bundle: str, line: Line, confirm: bool, key: Path | None, as_json: bool) -> None:
    """Flash BUNDLE, a .bundle file or a folder, onto a device and see it run.

    It is uploaded into the free slot, read back, tested there with its golden vectors, and run
    after a reset. Lost chunks are sent again; an unplugged device may be plugged in again.
    """
    file = bundle_bytes(bundle, key)
    with line.link() as link, bar("bytes") as progress:
        report = flash(link, file, confirm=confirm, progress=progress, say=note)
    emit(as_json, asdict(report), _text(report))


def bundle_bytes(bundle: str, key: Path | None) -> bytes:
    """Return the bundle file that a file or a folder is, signed with a key.

    Raises:
        ImageError, BundleError: it is no bundle.
        click.UsageError: a file is to be signed.
    """
    from edge_infer.firmware_bridge.image.bundle_file import pack_bundle, read_bundle_file
    from edge_infer.firmware_bridge.image.keys import SigningKey
    from edge_infer.models_tflite import open_bundle

    path = Path(bundle)
    if not path.is_file():
        signing = SigningKey.load(key) if key else None
        return pack_bundle(open_bundle(bundle).path, key=signing)
    if key is not None:
        raise click.UsageError("a .bundle file is signed with: edge-infer bundle sign")
    try:
        return read_bundle_file(path)
    except OSError as error:
        raise click.FileError(bundle, error.strerror) from error


def _text(report: FlashReport) -> str:
    sent = f"{report.sent_bytes:,} bytes sent" if report.sent_bytes else "it was there already"
    lines = [
        f"running {report.version} ({report.digest[:16]}), {sent}, {report.seconds:.1f} s",
        f"{report.resent_chunks} chunks sent again, {report.reconnects} reconnects",
    ]
    if not report.confirmed:
        lines.append(
            "on trial: confirm with edge-infer device confirm, or the next reset reverts it"
        )
    return "\n".join(lines)
