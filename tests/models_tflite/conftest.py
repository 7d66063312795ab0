"""Bundles that are only read, made once."""

from pathlib import Path

import pytest
from tests.fakes.tiny_bundles import write_early_exit, write_single

from edge_infer.models_tflite.bundle import Bundle


@pytest.fixture(scope="session")
def early_exit(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_early_exit(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_single(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def foreign_models() -> Path:
    """Models that nobody here made."""
    folder = Path(__file__).parents[2].parent / "shared" / "data" / "models"
    if not folder.is_dir():
        pytest.skip(f"no foreign models at {folder}")
    return folder
