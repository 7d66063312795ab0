"""Bundles of models that somebody brings along, through the command."""

import json
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.fakes.brought_models import CLASSES, Kind, patch_frames, template_model
from tests.fakes.joined_model import joined_model
from tests.fakes.noisy_digits import write_noisy_digits
from tests.fakes.tiny_models import early_exit_model, single_model, stateful_model

from edge_infer.commands.bundle import bundle_group
from edge_infer.commands.exit_codes import exit_code_of
from edge_infer.lab.tuning.calibration_data import CalibrationError
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.models_tflite.errors import CutError, ModelError, ModelNotSupportedError
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.stage import load_stages

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"
MODELS = Path(__file__).parents[2].parent / "shared" / "data" / "models"
SAMPLES = 700


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with labels and calibration frames."""
    monkeypatch.chdir(tmp_path)
    Path("labels.txt").write_text("\n".join("abcde") + "\n")
    frames, labels = patch_frames(SAMPLES, seed=2)
    np.savez("data.npz", frames=frames, labels=labels)
    return tmp_path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(bundle_group, [str(argument) for argument in arguments])


def built(*arguments: object) -> Any:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout[result.stdout.index("{") :])
    schema = json.loads((SCHEMAS / f"bundle-{arguments[0]}.schema.json").read_text())
    fastjsonschema.validate(schema, document)
    return document


def pair(little: bytes, big: bytes, *more: object) -> tuple[object, ...]:
    Path("little.tflite").write_bytes(little)
    Path("big.tflite").write_bytes(big)
    return (
        "build", "--little", "little.tflite", "--big", "big.tflite", "--labels", "labels.txt",
        "--calibration", "data.npz", "--allow", 2, "--name", "pair", *more,
    )  # fmt: skip


KINDS = {
    "plain": (Kind(noise=0.2), Kind()),
    "sizes": (Kind(size=12, noise=0.2), Kind(size=24)),
    "types": (Kind(dtype="uint8", noise=0.2), Kind(dtype="float32")),
    "float first": (Kind(dtype="float32", noise=0.2), Kind(dtype="uint8")),
    "layouts": (Kind(channels_first=True, noise=0.2), Kind()),
    "layout and size": (Kind(noise=0.2), Kind(size=24, channels_first=True)),
    "softmax": (Kind(softmax=True, noise=0.2), Kind(dtype="float32", softmax=True)),
    "background": (Kind(background=True, noise=0.2), Kind(dtype="uint8")),
    "both backgrounds": (Kind(background=True, noise=0.2), Kind(background=True, dtype="uint8")),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_pair_of_any_kinds_becomes_a_bundle(name: str, place: Path) -> None:
    kinds = KINDS[name]
    document = built(*pair(*map(template_model, kinds)))
    assert document["self_test_passed"]
    little, big = document["tuning"]["exits"]
    assert little["accuracy"] > 0.85
    assert big["accuracy"] > 0.94
    # Nets this small cost less than the overhead around them.
    assert not document["tuning"]["pays"]
    bundle = open_bundle("pair")
    assert bundle.manifest.kinds == ("single",)
    frames, labels = patch_frames(100, seed=9)
    scores = run_all(load_stages(bundle, open_backend()), list(frames))
    assert scores[0].shape == (100, CLASSES)
    assert (scores[0].argmax(axis=1) == labels).mean() > 0.9


def test_a_pair_says_how_frames_enter_each_net(place: Path) -> None:
    kinds = Kind(noise=0.2), Kind(dtype="float32")
    result = invoke(*pair(*map(template_model, kinds), "--big-std", "2", "--json"))
    assert result.exit_code == 0, result.output
    little, big = json.loads(result.stdout)["inputs"]
    assert little["values"] == {"0": 0, "128": 128, "255": 255} and big["values"]["255"] == 127.5
    assert (little["takes"], big["takes"]) == ([0, 255], None)
    arguments = pair(*map(template_model, kinds))
    doubted = invoke(*arguments, "--std", "25.5", "--replace")
    assert "little: pixels become 0 to 10, the input takes 0 to 255: 3.9 %" in doubted.output
    unfit = invoke(*arguments, "--std", "0.01", "--replace")
    assert "little.tflite: --std 0.01 is for pixels of 0 to 1" in str(unfit.exception)


def test_saturated_scores_are_counted(place: Path) -> None:
    kinds = Kind(softmax=True), Kind(dtype="float32")
    document = built(*pair(*map(template_model, kinds)))
    little, big = document["tuning"]["exits"]
    assert 0.2 * SAMPLES < little["saturated"] < SAMPLES
    assert big["saturated"] == 0


def test_a_pair_that_pays_is_little_and_big(place: Path) -> None:
    """A big net of real size: only its cost table entry matters, so a large frame will do."""
    document = built(
        *pair(template_model(Kind(noise=0.05)), template_model(Kind(size=200))), "--board",
        "sim:raspberry-pi-4b",
    )  # fmt: skip
    assert document["tuning"]["pays"]
    bundle = open_bundle("pair")
    assert [stage.name for stage in bundle.manifest.stages] == ["little", "big"]
    assert bundle.manifest.stages[1].input.shape == (200, 200, 3)
    assert bundle.manifest.thresholds["1.0"].chosen_on.samples == SAMPLES
    assert bundle.manifest.predictor is not None


def test_state_is_put_back_between_frames(place: Path) -> None:
    random = np.random.default_rng(0)
    frames = random.normal(size=(SAMPLES, 3)).astype(np.float32)
    Path("labels.txt").write_text("\n".join("abcd") + "\n")
    Path("net.tflite").write_bytes(stateful_model())
    single = invoke(
        "build",
        "--single",
        "net.tflite",
        "--source",
        "float32",
        "--name",
        "alone",
        "--head",
        "scores",
    )
    assert single.exit_code == 0, single.output
    stages = load_stages(open_bundle("alone"), open_backend())
    answers = run_all(stages, list(frames))[0].argmax(axis=1)
    np.savez("data.npz", frames=frames, labels=answers)
    document = built(*pair(stateful_model(), stateful_model(), "--source", "float32"))
    assert [row["accuracy"] for row in document["tuning"]["exits"]] == [1.0, 1.0]


def test_a_model_is_cut_at_its_exits_and_tuned(place: Path) -> None:
    source = open_bundle("digits-early-exit")
    Path("whole.tflite").write_bytes(joined_model(source))
    calibration = write_noisy_digits(source, place)
    heads = [output_name(source.stage_model(index)) for index in range(3)]
    document = built(
        "cut", "whole.tflite", "--exits", ", ".join(heads), "--calibration", calibration,
        "--mean", 0, "--std", 16, "--allow", 3, "--name", "mine",
    )  # fmt: skip
    assert document["tuning"]["pays"]
    bundle = open_bundle("mine")
    assert bundle.manifest.kinds == ("early-exit",)
    frames = list(np.load(calibration)["frames"][:40])
    ours = run_all(load_stages(bundle, open_backend()), frames)
    theirs = run_all(load_stages(source, open_backend()), frames)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    macs = [stage.macs for stage in bundle.manifest.stages]
    assert macs == [stage.macs for stage in source.manifest.stages]


def output_name(model: bytes) -> str:
    graph = Graph(model)
    return graph.tensors[graph.outputs[0]].name


def refused(error: type[Exception], *arguments: object) -> str:
    result = invoke(*arguments)
    assert type(result.exception) is error, (result.exception, result.output)
    assert "\n" not in str(result.exception)
    assert not Path("pair").exists()
    return str(result.exception)


def test_pairs_that_do_not_fit_are_refused(place: Path) -> None:
    good = template_model(Kind())
    Path("labels.txt").write_text("\n".join("abcdef") + "\n")
    more = template_model(Kind(background=True))
    said = refused(ModelNotSupportedError, *pair(more, good))
    assert "big.tflite: the output logits [1, 5] int8: 6 labels for 5 scores" in said
    Path("labels.txt").write_text("\n".join("abcde") + "\n")
    assert "channels" in refused(ModelNotSupportedError, *pair(good, single_model()))
    assert "little.tflite" in refused(ModelError, *pair(good[:200], good))
    frames, labels = patch_frames(SAMPLES, seed=2)
    np.savez("data.npz", frames=frames, labels=(labels + 1) % CLASSES)
    assert "at chance" in refused(CalibrationError, *pair(good, good))


def test_a_pair_wants_labels_and_calibration(place: Path) -> None:
    good = template_model(Kind())
    arguments = pair(good, good)
    for option in ("--labels", "--calibration", "--big"):
        at = arguments.index(option)
        result = invoke(*arguments[:at], *arguments[at + 2 :])
        assert result.exit_code == 2
        assert "--little MODEL --big MODEL --labels FILE --calibration DATA" in result.output
    result = invoke(*arguments, "--single", "big.tflite")
    assert result.exit_code == 2


def test_cuts_that_cannot_be_are_refused(place: Path) -> None:
    Path("whole.tflite").write_bytes(early_exit_model())
    asked = ("cut", "whole.tflite", "--calibration", "data.npz", "--exits")
    missing = refused(CutError, *asked, "exit_1,nothing")
    assert "whole.tflite: no output 'nothing': the model has exit_1 [1, 5] int8, exit_2" in missing
    assert "first to last" in refused(CutError, *asked, "exit_2,exit_1")
    assert "two or more" in refused(CutError, *asked, "exit_1")
    assert exit_code_of(CutError("")) == 2


@pytest.mark.skipif(not MODELS.is_dir(), reason="the published models are not beside the checkout")
def test_published_models_are_looked_through_before_they_run(place: Path) -> None:
    coral, tiny = MODELS / "coral", MODELS / "mlperf_tiny"
    common = ("--labels", coral / "imagenet_labels.txt", "--calibration", "data.npz")
    mobile = coral / "mobilenet_v1_0.5_160_quant.tflite"
    resnet = tiny / "pretrainedResnet_quant.tflite"
    arguments = ("build", "--little", resnet, "--big", mobile, "--name", "pair", *common)
    assert "1001 labels for 10 scores" in refused(ModelNotSupportedError, *arguments)
    hello = MODELS / "tflm" / "hello_world_int8.tflite"
    arguments = ("build", "--little", hello, "--big", mobile, "--name", "pair", *common)
    assert "not a classifier" in refused(ModelNotSupportedError, *arguments)


@pytest.mark.skipif(not MODELS.is_dir(), reason="the published models are not beside the checkout")
def test_two_published_image_nets_of_different_sizes_are_a_pair(place: Path) -> None:
    coral = MODELS / "coral"
    nets = [coral / f"mobilenet_v1_{size}_quant.tflite" for size in ("0.5_160", "0.75_192")]
    # Views of three photographs, and for their class what the big net answers.
    alone = invoke("build", "--single", nets[1], "--resize", "bilinear", "--name", "alone")
    assert alone.exit_code == 0, alone.output
    frames = photograph_views([coral / f"{name}.bmp" for name in ("bird", "cat", "sunflower")], 16)
    stages = load_stages(open_bundle("alone"), open_backend())
    labels = run_all(stages, list(frames))[0].argmax(axis=1)
    np.savez("data.npz", frames=frames, labels=labels)
    document = built(
        "build", "--little", nets[0], "--big", nets[1], "--name", "pair", "--calibration",
        "data.npz", "--labels", coral / "imagenet_labels.txt", "--allow", 45,
    )  # fmt: skip
    little, big = document["tuning"]["exits"]
    assert big["accuracy"] == 1.0
    assert 0.3 < little["accuracy"] < 1.0
    assert little["net_uj"] < document["tuning"]["plain"]["net_uj"] < big["net_uj"]


def photograph_views(paths: list[Path], each: int) -> Any:
    """Return views [n, 224, 224, 3] of photographs, cut out at random places."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    random = np.random.default_rng(0)
    views = []
    for path in paths:
        photograph = image.open(path).convert("RGB")
        for _ in range(each):
            side = int(min(photograph.size) * random.uniform(0.75, 1.0))
            left, top = (int(random.integers(0, full - side + 1)) for full in photograph.size)
            view = photograph.crop((left, top, left + side, top + side)).resize((224, 224))
            views.append(np.asarray(view, np.uint8))
    return np.stack(views)
