"""A bundle says of every ratio what its stages then are, and loads them so."""

import copy
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.backends import KERNELS, open_or_skip
from tests.fakes.prunable_bundles import RATIOS, write_prunable_bundle
from tests.fakes.prunable_nets import early_exits

from edge_infer.models_tflite import (
    ModelError,
    UnknownRatioError,
    load_stages,
    open_backend,
    open_bundle,
)
from edge_infer.models_tflite.build import write_bundle
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.errors import BundleVerificationError, ManifestError
from edge_infer.models_tflite.flatbuffer import pack, unpack
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.lint import lint_bundle
from edge_infer.models_tflite.manifest import FileInfo
from edge_infer.models_tflite.manifest_text import manifest_text, read_manifest
from edge_infer.models_tflite.ops import list_ops
from edge_infer.models_tflite.prunable import PrunableError, PrunableModel, own_constants
from edge_infer.models_tflite.redraft import redraft
from edge_infer.models_tflite.self_test import self_test
from edge_infer.models_tflite.stage import RatioStages, connect_stages
from edge_infer.runtime.exit_criterion import exit_criteria


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_prunable_bundle(tmp_path_factory.mktemp("bundles"))


def test_the_manifest_has_the_counts_of_every_ratio(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert manifest.kinds == ("early-exit", "prunable")
    assert manifest.ratios == ("1.0", *RATIOS)
    prunable = manifest.prunable
    assert prunable is not None
    assert [(g.key, g.channels) for g in prunable.groups] == [("w_1", 12), ("w_12", 16)]
    assert {ratio: spec.keep for ratio, spec in prunable.ratios.items()} == {
        "0.75": (9, 12), "0.5": (6, 8), "0.25": (3, 4),
    }  # fmt: skip
    assert read_manifest(manifest_text(manifest)) == manifest


def test_macs_fall_with_the_ratio_and_are_those_of_the_model(bundle: Bundle) -> None:
    whole = [sum(s.macs for s in bundle.manifest.stages_at(r)) for r in ("1.0", *RATIOS)]
    assert sorted(whole, reverse=True) == whole and whole[-1] < whole[0] / 6
    for index, stage in enumerate(bundle.manifest.stages_at("0.5")):
        graph = Graph(bundle.stage_model(index, "0.5"))
        assert stage.ops == list_ops(graph)
        assert stage.input.tensors[0].shape == graph.tensors[graph.inputs[0]].shape[1:]
        assert stage.scores.scale == graph.tensors[graph.outputs[0]].scale
        assert stage.file == bundle.manifest.stages[index].file


def test_the_auxiliaries_are_what_the_files_grew_by(bundle: Bundle) -> None:
    prunable = bundle.manifest.prunable
    assert prunable is not None
    parts = [len(PrunableModel.open(bundle.stage_model(i)).full) for i in range(3)]
    assert 0 < prunable.auxiliary_bytes < sum(parts)


def test_stages_at_a_ratio_load_and_answer(bundle: Bundle) -> None:
    backend, frames = open_backend(), bundle.golden().frames
    scores = {r: run_all(load_stages(bundle, backend, ratio=r), frames) for r in ("1.0", *RATIOS)}
    for ratio in RATIOS:
        assert not np.array_equal(scores[ratio][-1], scores["1.0"][-1])
    quick = RatioStages(bundle, backend, (1, 2))
    for ratio in ("0.25", "1.0", "0.75"):
        loaded = quick.load(ratio)
        assert list(loaded) == [1, 2]
        for found, wanted in zip(run_all(loaded[2], frames), scores[ratio], strict=True):
            assert np.array_equal(found, wanted)


def test_stages_of_two_ratios_do_not_chain(bundle: Bundle) -> None:
    specs = bundle.manifest.stages_at("0.5")
    models = [bundle.stage_model(i, ratio) for i, ratio in enumerate(("0.5", "0.75", "0.5"))]
    with pytest.raises(ModelError, match="stage exit_2: input 0 shape is"):
        connect_stages(specs, models, open_backend())


def test_an_unknown_ratio_lists_the_others(bundle: Bundle) -> None:
    with pytest.raises(UnknownRatioError, match=r"no ratio 0\.6; there are: 1\.0, 0\.75, 0\.5, 0"):
        load_stages(bundle, open_backend(), ratio="0.6")
    with pytest.raises(UnknownRatioError, match=r"no ratio 0\.6"):
        RatioStages(bundle, open_backend()).load("0.6")


def test_a_bundle_written_again_is_equal(bundle: Bundle, tmp_path: Path) -> None:
    again = write_bundle(tmp_path / "again", redraft(bundle))
    assert again.manifest == bundle.manifest
    assert open_bundle(tmp_path / "again").stage_model(1, "0.5") == bundle.stage_model(1, "0.5")


def test_a_plain_stage_in_a_prunable_bundle_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    draft = redraft(bundle)
    plain = cut(own_constants(early_exits("int8")), ["exit_1", "exit_2", "exit_3"])[0].model
    stages = [dataclasses.replace(draft.stages[0], model=plain), *draft.stages[1:]]
    with pytest.raises(PrunableError, match="no prunable part"):
        write_bundle(tmp_path / "mixed", dataclasses.replace(draft, stages=stages))
    mixed = Path(shutil.copytree(bundle.path, tmp_path / "copied"))
    (mixed / bundle.manifest.stages[0].file).write_bytes(plain)
    with pytest.raises(PrunableError, match="no prunable part"):
        RatioStages(Bundle(mixed, bundle.manifest), open_backend())


def test_golden_scores_are_those_of_each_ratio(bundle: Bundle) -> None:
    reference, frames = open_backend(resolver="reference"), bundle.golden().frames
    for ratio in bundle.manifest.ratios:
        golden = bundle.golden(ratio)
        packed = [pack(unpack(bundle.stage_model(i, ratio))) for i in range(3)]  # no dead bytes
        stages = connect_stages(bundle.manifest.stages_at(ratio), packed, reference)
        assert np.array_equal(golden.frames, frames)
        for found, wanted in zip(golden.scores, run_all(stages, frames), strict=True):
            assert np.array_equal(found, wanted)
    with pytest.raises(UnknownRatioError, match=r"no ratio 0\.6"):
        bundle.golden("0.6")


@pytest.mark.parametrize(("name", "resolver"), KERNELS)
def test_the_self_test_runs_every_ratio(bundle: Bundle, name: str, resolver: str) -> None:
    criteria = partial(exit_criteria, bundle.manifest)
    report = self_test(bundle, open_or_skip(name, resolver), criteria)
    assert report.passed, report.failures
    assert report.ratios == ("1.0", *RATIOS) and report.vectors == 4 * 8
    if report.backend == bundle.manifest.golden.made_with:
        assert report.exact and report.wide == report.vectors


class OtherFeatures(Bundle):
    """A bundle whose second stage is that of another ratio when asked for 0.5."""

    def stage_model(self, index: int, ratio: str = "1.0") -> bytes:
        return super().stage_model(index, "0.75" if (index, ratio) == (1, "0.5") else ratio)


def test_verifying_a_bundle_chains_its_stages_at_every_ratio(bundle: Bundle) -> None:
    def errors(found: Bundle) -> set[str]:
        return {f.where.split(":")[0] for f in lint_bundle(found) if f.severity == "error"}

    assert errors(bundle) == set()
    pairs = {"exit_1 to exit_2 at ratio 0.5", "exit_2 to exit_3 at ratio 0.5"}
    assert errors(OtherFeatures(bundle.path, bundle.manifest)) == pairs


class OtherRatio(Bundle):
    """A bundle whose narrowest ratio is another than when its golden scores were made."""

    def stage_model(self, index: int, ratio: str = "1.0") -> bytes:
        model = super().stage_model(index, ratio)
        if ratio != "0.25" or index != 2:
            return model
        tree = unpack(model)
        head = tree.subgraphs[0].operators[-1]
        buffer = tree.buffers[tree.subgraphs[0].tensors[head.inputs[2]].buffer]
        buffer.data = (np.asarray(buffer.data).view(np.int32) + 500).view(np.uint8)
        return pack(tree)


def test_a_ratio_that_answers_otherwise_fails_by_its_name(bundle: Bundle) -> None:
    changed = OtherRatio(bundle.path, bundle.manifest)
    criteria = partial(exit_criteria, bundle.manifest)
    report = self_test(changed, open_backend(resolver="reference"), criteria)
    [failure] = report.failures
    assert failure.startswith("ratio 0.25: stage 2: 8 of 8 vectors differ")


def test_golden_scores_of_a_ratio_that_are_missing_are_named(
    bundle: Bundle, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bundle.path, tmp_path / "old"))
    with np.load(folder / "golden.npz") as arrays:
        kept = {key: arrays[key] for key in arrays if "@0.5" not in key}
    np.savez_compressed(folder / "golden.npz", **kept)
    content = (folder / "golden.npz").read_bytes()
    info = FileInfo(hashlib.sha256(content).hexdigest(), len(content))
    files = {**bundle.manifest.files, "golden.npz": info}
    old = Bundle(folder, dataclasses.replace(bundle.manifest, files=files))
    assert old.golden("0.75").scores[0].shape == (8, 6)
    with pytest.raises(BundleVerificationError, match=r"golden.npz is not usable.*scores_0@0\.5"):
        old.golden("0.5")


Document = dict[str, Any]
CASES: list[tuple[Callable[[Document], object], str]] = [
    (lambda d: d["kinds"].remove("prunable"), r"prunable is prefix-1, kinds is \['early-exit'\]"),
    (lambda d: d["prunable"].update(format="2"), r'prunable\.format is "2": wants const'),
    (lambda d: d["prunable"]["ratios"].pop("0.5"), "wants 1.0 and those of prunable"),
    (lambda d: d["prunable"]["ratios"]["0.5"]["keep"].pop(), r"0\.5\.keep is \[6\]: wants one co"),
    (lambda d: d["prunable"]["ratios"]["0.5"].update(keep=[13, 1]), r"keep is \[13, 1\]"),
    (lambda d: d["prunable"]["ratios"]["0.5"]["stages"].pop(), r"0\.5\.stages has 2: wants 3"),
    (
        lambda d: d["prunable"]["ratios"]["0.5"]["stages"][1].update(macs=1),
        r"0\.5\.stages\[1\]\.macs is 1, its ops add up to",
    ),
]


@pytest.mark.parametrize(("change", "message"), CASES)
def test_what_does_not_agree_is_named(
    bundle: Bundle, change: Callable[[Document], object], message: str
) -> None:
    document = copy.deepcopy(json.loads(manifest_text(bundle.manifest)))
    change(document)
    with pytest.raises(ManifestError, match=message):
        read_manifest(json.dumps(document))
