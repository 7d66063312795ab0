"""Models and label files that somebody brings along, with bytes changed: read, or one sentence."""

import tempfile
from pathlib import Path
from random import Random
from typing import Any

from tests.fakes.odd_models import ODD, SOUND
from tests.hostile.suite import Suite, Tally

from edge_infer.models_tflite.classifier import FrameOptions, read_classifier
from edge_infer.models_tflite.drafts import exits_draft, single_draft
from edge_infer.models_tflite.errors import BundleError, LabelFileError
from edge_infer.models_tflite.heads import find_heads
from edge_infer.models_tflite.label_file import parse_labels

_LABELS = [*"abcde"]
_HEADS = (None, None, "head", "scores", "x", "probabilities", "frame", "")
_SOURCES: tuple[Any, ...] = ("uint8", "int8", "float32")
_PIECES = (
    b"\n", b"\r\n", b"\r", b"0", b"1 ", b"2:", b"3\t", b"-1", b"cat", b"dog", b'"', b"'", b",",
    b"{", b"}", b"[", b"]", b": ", b"names:", b"- ", b"# ", b"\xef\xbb\xbf", b"\xff\xfe", b"\0",
    b"\xe9", b"item {", b"99999999999", b"null", b"  ", b"\x1b[31m",
)  # fmt: skip


def _changed(content: bytes, rng: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(changed))
        changed[at] = rng.choice(
            (0, 1, 255, rng.randrange(256), changed[at] ^ 1 << rng.randrange(8))
        )
    return bytes(changed[: rng.randrange(1, len(changed))] if rng.random() < 0.05 else changed)


def _build(path: Path, rng: Random) -> None:
    frames = FrameOptions(source=rng.choice(_SOURCES))
    if rng.random() < 0.3:
        net = read_classifier(path, several_outputs=True)
        exits_draft(net, [head.name for head in find_heads(net.graph)], None, "net", frames)
    else:
        labels = rng.choice((None, _LABELS))
        single_draft(
            read_classifier(path, head=rng.choice(_HEADS), labels=labels), labels, "net", frames
        )


def _models(tally: Tally) -> None:
    bases = [content for make in (ODD | SOUND).values() if (content := make())]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.tflite"
        for _ in range(tally.count):
            seed = tally.rng.randrange(1 << 32)
            with tally.case(seed):
                rng = Random(seed)
                path.write_bytes(_changed(rng.choice(bases), rng))
                try:
                    _build(path, rng)
                except BundleError as error:
                    assert "\n" not in str(error) and len(str(error)) > 10, error


def _label_files(tally: Tally) -> None:
    for _ in range(tally.count):
        seed = tally.rng.randrange(1 << 32)
        with tally.case(seed):
            rng = Random(seed)
            content = b"".join(rng.choices(_PIECES, k=rng.randrange(60)))
            try:
                labels = parse_labels(content, "labels.txt").labels
            except LabelFileError as error:
                assert "\n" not in str(error), error
            else:
                assert len(labels) > 1 and len(set(labels)) == len(labels), labels
                assert all(label.strip() == label and "\n" not in label for label in labels), labels


SUITES = (
    Suite("brought models", 4_000, _models, limit_s=5),
    Suite("label files", 50_000, _label_files, limit_s=1),
)
