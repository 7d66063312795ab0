"""Which class a folder's name means."""

import pytest

from edge_infer.runtime.errors import InputError
from edge_infer.runtime.frames.folders import class_of

LABELS = (
    "n01440764 tench, Tinca tinca",
    "great white shark, white shark",
    "crane (2)",
    "crane (3)",
)


@pytest.mark.parametrize(
    ("name", "class_"),
    [
        ("n01440764", 0),
        ("tench", 0),
        ("Tinca_tinca", 0),
        ("tench, Tinca tinca", 0),
        ("great_white_shark", 1),
        ("White Shark", 1),
        ("1", 1),
        ("crane (3)", 3),
    ],
)
def test_a_folder_is_named_by_id_index_or_label(name: str, class_: int) -> None:
    assert class_of(name, LABELS) == class_


def test_accents_may_be_composed_or_not() -> None:
    """A file system may take names apart: e and an accent."""
    assert class_of("the\u0301 vert", ("cafe", "th\u00e9_vert")) == 1


@pytest.mark.parametrize("name", ["train", "Test", "validation"])
def test_a_side_of_a_data_set_is_no_class(name: str) -> None:
    with pytest.raises(InputError, match="is a side of a data set, no class of the bundle"):
        class_of(name, LABELS)
    assert class_of("train", ("bus", "train")) == 1


@pytest.mark.parametrize("name", ["crane", "4", "n01443537", "shark", "cranes"])
def test_what_names_no_class_or_two_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no class"):
        class_of(name, LABELS)


def test_a_name_that_two_classes_share_names_neither() -> None:
    with pytest.raises(InputError, match="no class"):
        class_of("crane", ("crane, bird", "crane, machine"))
