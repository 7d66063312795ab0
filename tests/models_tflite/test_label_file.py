"""Label files as many tools write them, and labels inside a .tflite."""

import io
import zipfile
from pathlib import Path

import pytest
from tests.fakes.tiny_models import ModelBuilder, frame_tensor, single_model

from edge_infer.models_tflite.classifier import read_classifier
from edge_infer.models_tflite.drafts import build_single
from edge_infer.models_tflite.errors import LabelFileError, ModelNotSupportedError
from edge_infer.models_tflite.label_file import model_labels, parse_labels, read_label_file

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CASES = Path(__file__).parents[2].parent / "shared" / "data" / "cases" / "labels"
PLAIN = "cat\ndog\nbird\n"
NAMES = ("cat", "dog", "bird")


@pytest.mark.parametrize("name", ["bom", "index", "shuffled_index", "utf16"])
def test_the_files_that_went_wrong_give_ten_labels_in_order(name: str) -> None:
    if not CASES.is_dir():
        pytest.skip(f"no label files at {CASES}")
    assert read_label_file(CASES / f"{name}.txt").labels == CIFAR


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-32"),
        b"cat\r\ndog\r\nbird\r\n\r\n",
        b"cat\rdog\rbird",
        b"  cat \n\tdog\nbird\n\n\n",
        b"0 cat\n1 dog\n2 bird\n",
        b"0: cat\n1: dog\n2: bird\n",
        b"0:cat\n1:dog\n2:bird\n",
        b"# what they are\ncat\ndog\nbird\n",
        b"- cat\n- dog\n- bird\n",
        b"names:\n  - cat\n  - dog\n  - bird\n",
        b"names:\n  0: cat\n  1: dog\n  2: bird\n",
        b'{"names": ["cat", "dog", "bird"]}',
        b'{"labels": {"0": "cat", "1": "dog", "2": "bird"}}',
        b"0,cat\n1,dog\n2,bird\n",
        b"0\tcat\n1\tdog\n2\tbird\n",
        b"000 cat\n001 dog\n002 bird\n",
        b"1 cat\n2 dog\n3 bird\n",
        b"cat,0\ndog,1\nbird,2\n",
        b"dog: 1\ncat: 0\nbird: 2\n",
        b"0: 'cat',\n1: 'dog',\n2: 'bird',\n",
        b'"cat"\n"dog"\n"bird"\n',
        b"2 bird\n0 cat\n1 dog\n",
        b'["cat", "dog", "bird"]',
        b'{"0": "cat", "2": "bird", "1": "dog"}',
        b'{"cat": 0, "bird": 2, "dog": 1}',
    ],
)
def test_three_labels_in_order(content: bytes) -> None:
    assert parse_labels(content, "labels.txt").labels == NAMES


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        (b"0\n1\n2\n", ("0", "1", "2")),
        (b"2 wheels\n4 wheels\n", ("2 wheels", "4 wheels")),
        (b"n01440764 tench\nn01443537 goldfish\n", ("n01440764 tench", "n01443537 goldfish")),
        (b'{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}',
         ("n01440764 tench", "n01443537 goldfish")),
        ("café\nthé\n".encode("latin-1"), ("café", "thé")),
        (b"crane\nswan\ncrane\n", ("crane (0)", "swan", "crane (2)")),
    ],
)  # fmt: skip
def test_what_is_no_index_stays_and_names_are_told_apart(
    content: bytes, labels: tuple[str, ...]
) -> None:
    assert parse_labels(content, "labels.txt").labels == labels


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "0 labels"),
        (b"cat\n\ndog\n", "line 2 is blank"),
        (b"0 cat\n1 dog\n3 bird\n", "lack 2"),
        (b"2 cat\n3 dog\n4 bird\n", "indices count from 2"),
        (b"cat\t0\tx\ndog\t1\tx\n", "several columns"),
        (b"0 cat\n1 dog\n1 cow\n2 bird\n3 cow\n4 ox\n", "index 1 stands 2 times"),
        (b"0 cat\n1 dog\n2 bird\n3 cow\nox\n", "line 5 .* has no index"),
        (b"item {\n name: 'cat'\n}\n", "protobuf"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "no text"),
        (b"cat\x07\ndog\n", "control character"),
        (b'["cat", 3]', "wants a list"),
        (b'{"0": "cat", "2": "dog"}', "lack 1"),
        (b"[" * 100_000, "JSON"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(LabelFileError, match=told):
        parse_labels(content, "labels.txt")


def test_what_was_done_is_told() -> None:
    (note,) = parse_labels(b"1 dog\n0 cat\n", "labels.txt").notes
    assert "labels.txt: the lines are put in the order of the numbers beside them" in note
    assert "Latin-1" in parse_labels("café\nthé".encode("latin-1"), "l").notes[0]
    assert "'crane (0)'" in parse_labels(b"crane\ncrane\n", "l").notes[0]


def with_files(model: bytes, **files: str) -> bytes:
    """Return a model with metadata's files behind it."""
    stream = io.BytesIO()
    stream.write(model)
    with zipfile.ZipFile(stream, "a") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.txt", text)
    return stream.getvalue()


def test_labels_inside_a_model_are_read() -> None:
    model = single_model()
    assert model_labels(model, [5]) is None
    labels = "0 a\n1 b\n2 c\n3 d\n4 e\n"
    found = model_labels(with_files(model, labels=labels, vocabulary="x\ny\n"), [5])
    assert found is not None and found.labels == tuple("abcde")
    assert model_labels(with_files(model, other="x\ny\n"), [5]) is None
    with pytest.raises(LabelFileError, match="--labels"):
        model_labels(with_files(model, en=labels, de="v\nw\nx\ny\nz\n"), [5])


def test_labels_inside_count_as_given(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(with_files(single_model(), labels="a\nb\nc\nd\ne\n"))
    assert build_single(path, tmp_path / "out", name="net").manifest.labels == tuple("abcde")
    path.write_bytes(with_files(single_model(), labels="a\nb\nc\n"))
    with pytest.raises(ModelNotSupportedError, match="no softmax and came without labels"):
        read_classifier(path)


def test_labels_inside_are_those_of_the_head_that_is_named(tmp_path: Path) -> None:
    builder = ModelBuilder()
    frame = frame_tensor(builder)
    features = builder.conv("map", frame, 4)
    heads = [builder.head(name, features, n) for name, n in (("few", 3), ("many", 5))]
    path = tmp_path / "net.tflite"
    model = builder.build([frame], heads)
    path.write_bytes(with_files(model, many="a\nb\nc\nd\ne\n", few="x\ny\nz\n"))
    for head, labels in (("few", "xyz"), ("many", "abcde")):
        inside = read_classifier(path, head=head).inside
        assert inside is not None and inside.labels == tuple(labels)
