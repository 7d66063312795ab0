"""Labels that `bundle build` is given: what it does to them, and where they do not fit."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.tiny_models import single_model

from edge_infer.commands.root import run_line
from edge_infer.models_tflite.bundle import open_bundle


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (b"2 c\n0 a\n1 b\n3 d\n4 e\n", "in the order of the numbers beside them"),
        (b"a\nb\nc\nd\n", "4 labels for 5 scores: score 0 is taken for a background class"),
    ],
)
def test_what_is_done_to_labels_is_told(
    labels: bytes, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.tflite").write_bytes(single_model())
    (tmp_path / "labels.txt").write_bytes(labels)
    out = str(tmp_path / "out")
    arguments = ["--single", str(tmp_path / "m.tflite"), "--labels", str(tmp_path / "labels.txt")]
    assert run_line(["bundle", "build", *arguments, "-o", out, "--json"]) == 0
    printed = capsys.readouterr()
    assert told in printed.err
    (mapping,) = json.loads(printed.out)["label_mapping"]
    assert mapping["last"] == {"score": 4, "label": "e" if b"e" in labels else "d"}
    assert run_line(["bundle", "info", out]) == 0
    assert (
        f"{mapping['offset']} is 'a', 4 is {mapping['last']['label']!r}" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("background\na\nb\nc\nd\ne\n", "'background' in front has no score here"),
        ("Labels\na\nb\nc\nd\ne\n", "'Labels' in front seems a heading"),
        ("a\nb\nc\nd\ne\nf\n", "off by one, the last being 'f'"),
        ("0 a\n1 b\n3 c\n4 d\n5 e\n", "lack 2"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    labels: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.tflite").write_bytes(single_model())
    (tmp_path / "labels.txt").write_text(labels)
    arguments = ["--single", str(tmp_path / "m.tflite"), "--labels", str(tmp_path / "labels.txt")]
    assert run_line(["bundle", "build", *arguments, "-o", str(tmp_path / "out")]) != 0
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_build_says_where_samples_and_labels_do_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits = open_bundle("digits-little-big")
    samples = digits.samples()
    assert samples is not None
    frames, labels = samples[0][samples[1] < 9], samples[1][samples[1] < 9] + 1
    np.savez(tmp_path / "s.npz", frames=frames, labels=labels)
    (tmp_path / "m.tflite").write_bytes(digits.stage_model(1))
    (tmp_path / "labels.txt").write_text("\n".join(digits.manifest.labels))
    arguments = ["--single", str(tmp_path / "m.tflite"), "--labels", str(tmp_path / "labels.txt"),
                 "--samples", str(tmp_path / "s.npz"), "--data-license", "CC-BY-4.0",
                 "--mean", "0", "--std", "16", "-o", str(tmp_path / "out"), "--json"]  # fmt: skip
    assert run_line(["bundle", "build", *arguments]) == 0
    printed = capsys.readouterr()
    assert "take -1 on the labels" in printed.err
    assert json.loads(printed.out)["samples_check"]["state"] == "chance"
