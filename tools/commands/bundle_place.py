"""Open what a person names as a bundle: a folder, the name of one that ships, or a bundle file."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from edge_infer.firmware_bridge.errors import ImageError
from edge_infer.models_tflite import Bundle, open_bundle


def open_named_bundle(bundle: str) -> Bundle:
    """Open a bundle folder, one that ships, or a file NAME.bundle.

    A file is checked against its own digest and laid out in a folder that goes with the command;
    who signed it is `bundle verify`'s to ask.

    Raises:
        BundleError: it is none, or not as its manifest says.
        ImageError: the file is damaged.
    """
    path = Path(bundle)
    if not path.is_file():
        return open_bundle(bundle)
    # Few runs are of a file.
    from edge_infer.firmware_bridge.image.bundle_file import lay_out, read_bundle_file, whole_image

    refuse_model(path)
    try:
        image = whole_image(read_bundle_file(path))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    root = click.get_current_context().find_root()
    with ExitStack() as failing:
        held = failing.enter_context(tempfile.TemporaryDirectory(prefix="edge-infer-"))
        folder = Path(held) / path.stem
        lay_out(image, folder)
        opened = open_bundle(folder)
        root.call_on_close(failing.pop_all().close)
    return opened


def refuse_model(path: Path) -> None:
    """Say how a bundle is made of a file that is a model. Raises click.UsageError."""
    with path.open("rb") as file:
        head = file.read(8)
    if head[4:] == b"TFL3" or path.suffix.lower() == ".tflite":
        raise click.UsageError(
            f"{path} is a model, not a bundle: make one of it, edge-infer bundle build --single "
            f"{path}"
        )
