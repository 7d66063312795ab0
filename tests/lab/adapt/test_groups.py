from pathlib import Path

import numpy as np
import pytest
from tests.fakes.backbones import write_pictures

from edge_infer.lab.adapt.duplicates import file_digests, mirrored_digest, repeated
from edge_infer.lab.adapt.errors import AdaptError
from edge_infer.lab.adapt.groups import deal, folder_groups, read_groups
from edge_infer.lab.adapt.parts import split_pictures
from edge_infer.lab.adapt.pictures import Pictures, list_pictures
from edge_infer.lab.tuning import LossBound

BOUND = LossBound(0.1, 0.9)


@pytest.fixture
def videos(tmp_path: Path) -> Pictures:
    """Three classes of 24 pictures in 6 videos each; of one name in two classes."""
    below = [f"v{n}" for n in range(6)]
    return list_pictures(write_pictures(tmp_path / "data", (24, 24, 24), below=below))


def test_subfolders_of_a_class_are_groups_by_name(videos: Pictures) -> None:
    groups = folder_groups(videos)
    assert len(np.unique(groups)) == 6
    for group in np.unique(groups):
        inside = {videos.name(int(i)).split("/")[1] for i in np.flatnonzero(groups == group)}
        assert len(inside) == 1


def test_pictures_right_in_a_class_stand_alone(tmp_path: Path) -> None:
    pictures = list_pictures(write_pictures(tmp_path / "data", (10, 10)))
    assert len(np.unique(folder_groups(pictures))) == 20


def test_a_file_says_which_belong_together_by_picture_or_folder(
    videos: Pictures, tmp_path: Path
) -> None:
    file = tmp_path / "groups.csv"
    file.write_text("dot,first\nrows/v0,second\nrows,third\ncolumns,second\n", "utf-8-sig")
    groups = read_groups(file, videos)
    of = {videos.name(i).rsplit("/", 1)[0]: g for i, g in enumerate(groups.tolist())}
    assert of["dot/v0"] == of["dot/v5"] != of["rows/v1"] == of["rows/v5"]
    assert of["rows/v0"] == of["columns/v2"] and len(set(of.values())) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dot,a\n", r"48 of 72 pictures have no group: columns/v0/0000.png.*PATH,GROUP"),
        ("dot a\n", r"line 1: 'dot a': wants PATH,GROUP"),
        ("dot,a,b\n", "line 1"),
        ("dot,\n", "line 1"),
        ("dot,a\ndot,b\n", "line 2: dot is in two groups"),
        ("", "72 of 72 pictures have no group"),
    ],
)
def test_a_file_of_groups_that_does_not_fit_is_refused(
    videos: Pictures, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "groups.csv"
    file.write_text(text)
    with pytest.raises(AdaptError, match=told):
        read_groups(file, videos)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_of_groups_that_cannot_be_read(
    videos: Pictures, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "groups.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AdaptError, match=r"groups.csv: no groups can be read"):
        read_groups(file, videos)


def test_whole_groups_are_dealt_out_and_of_each_class_its_share() -> None:
    random = np.random.default_rng(0)
    groups = random.integers(0, 300, 3000)
    labels = random.choice(4, 3000, p=(0.5, 0.3, 0.15, 0.05))
    sides = deal(labels, groups, (0.6, 0.4), random)
    for group in np.unique(groups):
        assert len(np.unique(sides[groups == group])) == 1
    for label in range(4):
        assert (sides[labels == label] == 1).mean() == pytest.approx(0.4, abs=0.04)


def test_no_group_is_both_fitted_and_tested_on(videos: Pictures) -> None:
    below = [f"{label}-{i % 12}" for i, label in enumerate(videos.labels)]
    groups = np.unique(below, return_inverse=True)[1].reshape(-1)
    parts = split_pictures(videos, groups, 2, BOUND, np.random.default_rng(0))
    assert not set(groups[parts.fitting]) & set(groups[parts.calibration])
    assert len(parts.fitting) + len(parts.calibration) == len(videos)
    for part in (parts.fitting, parts.calibration):
        assert set(videos.labels[part]) == {0, 1, 2}


def test_too_few_for_a_promise_says_how_many_are_missing(videos: Pictures) -> None:
    alone = np.arange(len(videos))
    told = r"72 pictures leave no part.*at most 1 points at 95%.*takes 299 .* 526 pictures are miss"
    with pytest.raises(AdaptError, match=told):
        split_pictures(videos, alone, 2, LossBound(0.01, 0.95), np.random.default_rng(0))
    with pytest.raises(AdaptError, match=r"18 groups of 72 pictures.* takes 28 .* 38 groups are"):
        grouped = np.arange(len(videos)) % 18
        split_pictures(videos, grouped, 3, BOUND, np.random.default_rng(0))


def test_a_class_of_one_group_is_named(videos: Pictures) -> None:
    groups = np.where(videos.labels == 1, 0, 1 + np.arange(len(videos)))
    with pytest.raises(AdaptError, match="all pictures of 'dot' are in one group"):
        split_pictures(videos, groups, 2, BOUND, np.random.default_rng(0))


def test_copies_of_a_file_count_once_and_a_picture_of_two_classes_is_named(
    videos: Pictures,
) -> None:
    first, second = videos.paths[0], videos.paths[1]
    second.write_bytes(first.read_bytes())
    assert repeated(videos, enumerate(file_digests(videos))) == [1]
    other = videos.paths[30]
    other.write_bytes(first.read_bytes())
    told = r"1 pictures stand in two classes: columns/v0/0000.png = dot/v"
    with pytest.raises(AdaptError, match=told):
        repeated(videos, enumerate(file_digests(videos)))


def test_a_mirror_image_is_the_same_picture() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    assert mirrored_digest(frame) == mirrored_digest(np.ascontiguousarray(frame[:, ::-1]))
    assert mirrored_digest(frame) != mirrored_digest(np.ascontiguousarray(frame[::-1]))
