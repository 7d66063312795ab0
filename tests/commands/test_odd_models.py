"""Models that people have lying about: a bundle, or one sentence, and nothing left behind."""

from pathlib import Path

import pytest
from tests.fakes.odd_models import CLASSES, ODD, SOUND, classifier, newer_version
from tests.fakes.tiny_models import little_big_model, single_model

from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle

MODELS = Path(__file__).parents[3] / "shared" / "data" / "models"
models = pytest.mark.skipif(not MODELS.is_dir(), reason="../shared/data/models is not here")
CASES = MODELS.with_name("cases") / "models"
Capture = pytest.CaptureFixture[str]

SAID = {
    "detector": (2, "an object detector's, which gives boxes"),
    "detector without postprocess": (2, "scores [1, 64, 2] int8): none is a classifier's"),
    "compiled for the Edge TPU": (2, "bundle the .tflite from before the compiler"),
    "segmentation": (2, "mask [1, 8, 8, 21] int8 is a map or a table"),
    "heat maps": (2, "heatmaps [1, 8, 8, 17] int8, offsets [1, 8, 8, 34] int8"),
    "keypoints": (2, "keypoints [1, 1, 17, 3] int8 is a map or a table"),
    "embedding": (2, "head [1, 1024] int8 has no softmax and came without labels"),
    "regression": (2, "head [1, 1] int8 has 1 value: not a classifier"),
    "class index": (2, "[1] is the answer, not the scores: name these, [1, 5] before it: --head"),
    "best three": (2, "[1, 3] is the answer, not the scores: name these, [1, 5] before it: --head"),
    "text": (2, "[1, 4] is string: wants int8, uint8, float32"),
    "int32 input": (2, "[1, 4] is int32: wants int8, uint8, float32"),
    "int8 input without scale": (3, "input frame [1, 4] is int8 and has no quantisation"),
    "uint8 input without scale": (3, "input frame [1, 4] is uint8 and has no quantisation"),
    "int16 input without scale": (3, "input frame [1, 4] is int16 and has no quantisation"),
    "int8 output without scale": (3, "output scores [1, 4] is int8 and has no quantisation"),
    "uint8 output without scale": (3, "output scores [1, 4] is uint8 and has no quantisation"),
    "int16 output without scale": (3, "output scores [1, 4] is int16 and has no quantisation"),
    "batch of 4": (2, "shape [4, 4]: wants a batch of 1"),
    "open height": (2, "dynamic shape [1, -1, -1, 1]: export with fixed sizes"),
    "no input": (2, "no input"),
    "no output": (2, "no output"),
    "two inputs": (2, "2 inputs (frame [1, 4] int8, state [1, 4] int8)"),
    "custom operator": (2, "SignalWindow: custom operator: no interpreter here has its kernel"),
    "unknown operator": (2, "unknown operator: newer than the schema here"),
    "newer version": (2, "--head head"),
    "several graphs": (2, "2 subgraphs: export one signature"),
    "int16 activations": (2, "frame: [1, 4] is int16: wants int8"),
    "sequence": (2, "probabilities [1, 8, 5] int8 is a map or a table"),
    "untouched": (2, "frame [1, 5] int8 is the input itself"),
    "constant scores": (2, "probabilities [1, 5] int8 is computed from no input"),
    "no scores": (2, "nothing: shape [1, 0]: holds no value"),
    "single value": (2, "the input frame [1] float32 is a single value"),
    "one name": (2, "2 outputs (x [1, 5] int8, x [1, 7] int8)"),
    "nothing": (3, "the file is empty"),
    "no model": (3, "not a TFLite model"),
    "cut off": (3, "a truncated or damaged TFLite model of 700 bytes"),
    "of a checkout without Git LFS": (3, "git lfs pull"),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with nothing but a model."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: Capture, *arguments: str) -> tuple[int, str]:
    """Return the exit code and the sentence of a command that left nothing behind."""
    before = sorted(Path().iterdir())
    code = run_line(arguments)
    printed = capsys.readouterr()
    assert not printed.out and sorted(Path().iterdir()) == before
    (told,) = [line for line in printed.err.splitlines() if line.lower().startswith("error: ")]
    assert "Traceback" not in printed.err
    return code, told


def test_each_odd_model_is_looked_at() -> None:
    assert SAID.keys() == ODD.keys()


@pytest.mark.parametrize("name", ODD)
def test_an_odd_model_is_refused_in_one_sentence(name: str, place: Path, capsys: Capture) -> None:
    Path("odd.tflite").write_bytes(ODD[name]())
    code, told = refused(capsys, "bundle", "build", "--single", "odd.tflite")
    wanted, words = SAID[name]
    assert code == wanted and words in told and "odd.tflite" in told
    code, told = refused(capsys, "bundle", "cut", "odd.tflite")
    assert code in (2, 3) and "odd.tflite" in told
    for command in (["run"], ["bundle", "info"], ["bundle", "verify"], ["tune"], ["measure"]):
        code, told = refused(capsys, *command, "odd.tflite")
        assert code == 2 and "bundle build --single odd.tflite" in told


@pytest.mark.parametrize("name", SOUND)
def test_a_classifier_is_taken(name: str, place: Path, capsys: Capture) -> None:
    Path("net.tflite").write_bytes(SOUND[name]())
    assert run_line(["bundle", "build", "--single", "net.tflite"]) == 0, capsys.readouterr().err
    assert open_bundle(Path("net")).manifest.labels == tuple(map(str, range(CLASSES)))


@pytest.mark.parametrize(
    ("labels", "code", "told"),
    [
        (CLASSES, 0, "4 is 'label4'"),
        (CLASSES - 1, 0, "score 0 is taken for a background class"),
        (CLASSES - 2, 2, "[1, 5] int8: 3 labels for 5 scores: give 5, or 4 if"),
        (CLASSES + 3, 2, "[1, 5] int8: 8 labels for 5 scores"),
    ],
)
@pytest.mark.parametrize("head", [(), ("--head", "head")])
def test_labels_fit_the_scores_named_or_not(
    labels: int, code: int, told: str, head: tuple[str, ...], place: Path, capsys: Capture
) -> None:
    Path("net.tflite").write_bytes(single_model())
    Path("labels.txt").write_text("".join(f"label{number}\n" for number in range(labels)))
    arguments = ["--single", "net.tflite", "--labels", "labels.txt", *head]
    assert run_line(["bundle", "build", *arguments]) == code
    assert told in "".join(capsys.readouterr())
    assert Path("net").exists() == (code == 0)


def test_what_an_interpreter_says_becomes_a_sentence(place: Path, capsys: Capture) -> None:
    Path("net.tflite").write_bytes(newer_version())
    arguments = ("bundle", "build", "--single", "net.tflite", "--head", "head")
    code, told = refused(capsys, *arguments)
    assert code == 3 and "net.tflite: " in told
    assert "no kernel for FULLY_CONNECTED of version 99" in told
    assert "Registration failed" not in told


@pytest.mark.parametrize("name", ["class index", "best three"])
def test_scores_before_the_answer_are_taken_by_name(name: str, place: Path) -> None:
    Path("net.tflite").write_bytes(ODD[name]())
    assert run_line(["bundle", "build", "--single", "net.tflite", "--head", "head"]) == 0
    assert open_bundle(Path("net")).manifest.stages[0].scores.classes == CLASSES


def test_a_name_that_two_outputs_have_names_neither(place: Path, capsys: Capture) -> None:
    Path("net.tflite").write_bytes(ODD["one name"]())
    code, told = refused(capsys, "bundle", "build", "--single", "net.tflite", "--head", "x")
    assert code == 2 and "net.tflite: 2 outputs are called 'x'" in told


def test_a_name_that_cannot_be_a_bundles_is_told_with_the_option(
    place: Path, capsys: Capture
) -> None:
    Path("my net (1).tflite").write_bytes(classifier())
    code, told = refused(capsys, "bundle", "build", "--single", "my net (1).tflite")
    assert code == 2 and "give --name" in told
    assert run_line(["bundle", "build", "--single", "my net (1).tflite", "--name", "net"]) == 0


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (little_big_model(), "heads of net.tflite: little_out [1, 5] int8, big_out [1, 5] int8"),
        (classifier(), "probabilities [1, 5] int8; one head is no exit to leave at"),
        (ODD["segmentation"](), "has no head [1, classes], its outputs are mask [1, 8, 8, 21]"),
    ],
)
def test_cut_lists_the_heads_that_it_finds(
    model: bytes, told: str, place: Path, capsys: Capture
) -> None:
    Path("net.tflite").write_bytes(model)
    code, said = refused(capsys, "bundle", "cut", "net.tflite", "--calibration", "none.npz")
    assert code == 2 and "--exits is missing" in said and told in said


@models
@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        (MODELS / "tflm" / "hello_world_int8.tflite", 2, "1 value: not a classifier"),
        (CASES / "in_no_quant.tflite", 3, "no quantisation parameters"),
        (CASES / "spatial_out.tflite", 2, "is a map or a table"),
    ],
)
def test_published_models_that_are_no_classifiers(
    path: Path, code: int, told: str, place: Path, capsys: Capture
) -> None:
    found, said = refused(capsys, "bundle", "build", "--single", str(path))
    assert found == code and told in said


@models
@pytest.mark.parametrize(
    ("path", "classes"),
    [
        ("tflm/micro_speech_quantized.tflite", 4),
        ("mlperf_tiny/pretrainedResnet_quant.tflite", 10),
        ("coral/mobilenet_v1_0.5_160_quant.tflite", 1001),
    ],
)
def test_published_classifiers_are_taken(path: str, classes: int, place: Path) -> None:
    assert run_line(["bundle", "build", "--single", str(MODELS / path), "--name", "net"]) == 0
    assert open_bundle(Path("net")).manifest.stages[0].scores.classes == classes
