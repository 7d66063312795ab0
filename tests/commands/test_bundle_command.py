"""`edge-infer bundle` on real folders: what it prints, and the error each misuse raises."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.fakes.backends import BACKENDS, open_or_skip
from tests.fakes.tiny_bundles import write_early_exit
from tests.fakes.tiny_models import little_big_model, single_model

from edge_infer.commands.bundle import bundle_group
from edge_infer.commands.root import run_line
from edge_infer.models_tflite.bundle import Bundle, open_bundle
from edge_infer.models_tflite.errors import (
    BundleEmptyError,
    BundleError,
    BundleNotFoundError,
    BundleVerificationError,
    ModelError,
    ModelNotSupportedError,
)

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_early_exit(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(single_model())
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(bundle_group, [str(argument) for argument in arguments])


def run(*arguments: object) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def run_json(*arguments: object) -> Any:
    """Run with --json; the document must be what the published schema says."""
    document = json.loads(run(*arguments, "--json"))
    if arguments[0] != "info":  # that one is the manifest, which has its own
        schema = SCHEMAS / f"bundle-{arguments[0]}.schema.json"
        fastjsonschema.validate(json.loads(schema.read_text()), document)
    return document


def refusal(error: type[BundleError], *arguments: object) -> str:
    result = invoke(*arguments)
    assert type(result.exception) is error, result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def test_build_makes_a_bundle_by_one_command(model: Path, tmp_path: Path) -> None:
    text = run("build", "--single", model, "--head", "head", "-o", tmp_path / "made")
    assert str(tmp_path / "made") in text and "net 1.0.0 (single)" in text
    assert open_bundle(tmp_path / "made").manifest.labels == ("0", "1", "2", "3", "4")


def test_build_takes_labels_samples_and_preprocessing(model: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    frames = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), np.uint8)
    np.savez(tmp_path / "samples.npz", frames=frames, labels=np.arange(3))
    document = run_json(
        "build", "--single", model, "-o", tmp_path / "made", "--name", "five",
        "--labels", tmp_path / "labels.txt", "--mean", "10", "--std", "200.5",
        "--resize", "bilinear", "--license", "MIT", "--description", "Five classes.",
        "--samples", tmp_path / "samples.npz", "--data-license", "CC0",
    )  # fmt: skip
    assert document["bundle"] == {"name": "five", "version": "1.0.0"} and document["findings"] == []
    manifest = open_bundle(tmp_path / "made").manifest
    assert manifest.labels == ("a", "b", "c", "d", "e")
    preprocess = manifest.stages[0].input.preprocess
    assert preprocess is not None
    assert (preprocess.mean, preprocess.std, preprocess.resize) == ((10,), (200.5,), "bilinear")
    assert manifest.samples is not None and manifest.samples.license == "CC0"
    assert (manifest.license, manifest.description) == ("MIT", "Five classes.")


def test_samples_want_a_licence(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", frames=np.zeros((1, 8, 8, 1), np.uint8), labels=np.zeros(1))
    result = invoke("build", "--single", model, "--samples", tmp_path / "s.npz")
    assert result.exit_code == 2 and "--data-license" in result.stderr


@pytest.mark.parametrize("text", ["", "1;2", "red"])
def test_a_mean_that_is_no_number_is_a_usage_error(model: Path, text: str) -> None:
    result = invoke("build", "--single", model, "--mean", text)
    assert result.exit_code == 2 and "--mean" in result.stderr


def test_build_refuses_in_one_line(tmp_path: Path) -> None:
    missing = tmp_path / "gone.tflite"
    assert "no model at" in refusal(BundleNotFoundError, "build", "--single", missing)
    path = tmp_path / "net.tflite"
    path.write_bytes(little_big_model())
    assert "cut it" in refusal(ModelNotSupportedError, "build", "--single", path)
    path.write_bytes(single_model()[:700])
    assert "truncated or damaged" in refusal(ModelError, "build", "--single", path)


def test_info_shows_stages_and_thresholds(bundle: Bundle) -> None:
    text = run("info", bundle.path)
    assert "tiny-early-exit 1.0.0 (early-exit)" in text
    assert "samples     8 (made up)" in text
    rows = [line.split() for line in text.splitlines() if line.startswith("exit-")]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("exit-1", "frame", "40"),
        ("exit-2", "previous", "class"),
        ("exit-3", "previous", "-"),
    ]


def test_info_as_json_is_the_manifest(bundle: Bundle) -> None:
    document = run_json("info", bundle.path)
    manifest = json.loads((bundle.path / "manifest.json").read_text())
    del manifest["schema_version"]
    mapping = document.pop("label_mapping")
    assert document == {"path": str(bundle.path), "calibration": None, **manifest}
    assert [row["offset"] for row in mapping] == [0, 0, 0]
    assert mapping[0]["last"] == {"score": 4, "label": "e"}


def test_verify_counts_what_it_checked(bundle: Bundle) -> None:
    assert "5 files" in run("verify", bundle.path)
    document = run_json("verify", bundle.path)
    assert document["files"] == 5 and document["findings"] == []
    assert document["bytes"] == sum(i.bytes for i in bundle.manifest.files.values())


def test_self_test_passes_and_says_on_what(bundle: Bundle) -> None:
    document = run_json("self-test", bundle.path, "--resolver", "reference")
    assert document["passed"] and document["exact"] and document["vectors"] == 8
    assert document["backend"]["resolver"] == "reference"


@pytest.mark.parametrize("backend", BACKENDS)
def test_self_test_runs_on_either_backend(bundle: Bundle, backend: str) -> None:
    assert "result        passed" in run("self-test", bundle.path, "--backend", backend)


@pytest.mark.backend
def test_a_board_without_litert_can_verify_and_self_test(bundle: Bundle) -> None:
    open_or_skip("tflite-runtime")
    code = (
        "import sys; sys.modules['ai_edge_litert'] = None\n"
        "from edge_infer.commands.bundle import bundle_group\n"
        "for command in (['verify'], ['self-test', '--backend', 'tflite-runtime']):\n"
        "    bundle_group([*command, sys.argv[1]], standalone_mode=False)\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(bundle.path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.returncode == 0, child.stderr
    assert "not linted: reading a model's graph needs ai-edge-litert" in child.stdout
    assert "result        passed" in child.stdout


def test_self_test_that_fails_prints_the_report_and_raises(tmp_path: Path) -> None:
    folder = write_early_exit(tmp_path).path
    with np.load(folder / "golden.npz") as arrays:
        changed = dict(arrays)
    changed["scores_2"] = np.roll(changed["scores_2"], 1, axis=1)
    np.savez(folder / "golden.npz", **changed)
    content = (folder / "golden.npz").read_bytes()
    document = json.loads((folder / "manifest.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    document["files"]["golden.npz"] = {"sha256": digest, "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(document))
    result = invoke("self-test", folder, "--resolver", "reference")
    assert "result        FAILED" in result.stdout and "stage 2: " in result.stdout
    assert isinstance(result.exception, BundleVerificationError)


@pytest.mark.parametrize("command", ["info", "verify", "self-test"])
def test_a_bad_bundle_is_one_line(command: str, tmp_path: Path) -> None:
    assert "no bundle at" in refusal(BundleNotFoundError, command, tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "is empty" in refusal(BundleEmptyError, command, tmp_path / "empty")
    folder = write_early_exit(tmp_path).path
    (folder / "exit-2.tflite").write_bytes(b"short")
    message = refusal(BundleVerificationError, command, folder)
    assert "exit-2.tflite has 5 bytes" in message


def damaged(bundle: Bundle, folder: Path) -> Path:
    """Return a copy whose manifest vouches for half a model."""
    copied = shutil.copytree(bundle.path, folder / "damaged")
    half = (copied / "exit-2.tflite").read_bytes()[:1000]
    (copied / "exit-2.tflite").write_bytes(half)
    document = json.loads((copied / "manifest.json").read_text())
    info = {"sha256": hashlib.sha256(half).hexdigest(), "bytes": len(half)}
    document["files"]["exit-2.tflite"] = info
    document["stages"][1]["bytes"] = len(half)
    (copied / "manifest.json").write_text(json.dumps(document))
    return copied


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_with_a_right_hash_that_crashes_is_one_line_for_every_command(
    bundle: Bundle, tmp_path: Path, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(damaged(bundle, tmp_path))
    board, kernels = ["--board", "sim:raspberry-pi-5"], ["--backend", backend]
    for line in (
        ["run", path, *board, *kernels],
        ["bundle", "verify", path, *kernels],
        ["bundle", "self-test", path, *kernels],
        ["bench", path, *kernels],
    ):
        assert run_line(line) == 3, line
        errors = capsys.readouterr().err.splitlines()
        assert sum("error: " in each for each in errors) == 1, errors
        assert not any("Traceback" in each for each in errors)


def test_verify_says_what_every_stage_runs_on(bundle: Bundle) -> None:
    document = run_json("verify", bundle.path, "--resolver", "reference")
    assert document["ran_on"]["resolver"] == "reference"
    assert "every stage runs on " in run("verify", bundle.path)


def test_features_that_the_model_does_not_have_are_named(bundle: Bundle, tmp_path: Path) -> None:
    copied = shutil.copytree(bundle.path, tmp_path / "features")
    document = json.loads((copied / "manifest.json").read_text())
    document["stages"][0]["features"] = [7]
    (copied / "manifest.json").write_text(json.dumps(document))
    assert "hands on output 7, the model has" in refusal(ModelError, "verify", copied)
