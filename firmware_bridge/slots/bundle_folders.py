"""Bundles laid out as folders, for interpreters to open; made from the slots, checked, renewed."""

import shutil
from pathlib import Path

from edge_infer.firmware_bridge.image.bundle_file import is_laid_out, lay_out
from edge_infer.firmware_bridge.image.mcuboot_image import Image

_NAME_DIGITS = 16


class BundleFolders:
    """One folder for each image, named by its digest. Only a cache: the slots are the truth."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root

    def folder_of(self, image: Image) -> Path:
        """Return the folder of a checked image; what a power cut left half done is renewed."""
        folder = self._root / image.digest.hex()[:_NAME_DIGITS]
        if folder.is_dir() and is_laid_out(image, folder):
            return folder
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        lay_out(image, part)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        return folder

    def keep_only(self, *images: Image | None) -> None:
        """Remove the folders of all other images."""
        kept = {image.digest.hex()[:_NAME_DIGITS] for image in images if image}
        for folder in self._root.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)
