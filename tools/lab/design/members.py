"""The members of a design: every net that the candidates hold, scored on the same inputs.

A candidate is a bundle or a .tflite classifier. Each of its exits at each of its ratios is a plain
net, without the heads before it; a bundle whose stages hand on to each other is one member more, of
several exits, with its last ones left out or not.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.cost_table import OpWork, Work
from edge_infer.lab.costs.board_costs import plain_work
from edge_infer.lab.progress import Progress
from edge_infer.lab.scoring import score
from edge_infer.lab.tuning.calibration_data import (
    CalibrationData,
    check_above_chance,
    read_calibration,
)
from edge_infer.lab.work import IN_PROCESS, CellRunner
from edge_infer.models_tflite import Bundle, open_bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.describe import StageDraft
from edge_infer.models_tflite.drafts import build_single
from edge_infer.models_tflite.errors import ModelNotSupportedError
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.plain_net import plain_net
from edge_infer.models_tflite.redraft import redraft
from edge_infer.models_tflite.stage_spec import Preprocess
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.exit_criterion import confidences
from edge_infer.runtime.stage_costs import row_name

CRITERION: Literal["score-margin"] = "score-margin"


@dataclass(frozen=True, eq=False)
class Member:
    """A net with one exit, or several that hand on to each other."""

    name: str
    bundle: str
    """Name of the bundle that it is of."""
    exits: tuple[str, ...]
    """Names, in order."""
    drafts: tuple[StageDraft, ...]
    """One stage an exit."""
    works: tuple[Work, ...]
    """Likewise; how each stands in a row is not settled yet."""
    scores: tuple[NDArray[Any], ...]
    """Raw, by exit, shape [n, classes]."""
    confidence: NDArray[np.float64]
    """By the score margin in score units, shape [exits, n]."""
    right: NDArray[np.bool_]
    """Shape [exits, n]."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all its stages."""
        return sum(work.macs for work in self.works)

    @property
    def accuracy(self) -> float:
        """Of its last exit."""
        return float(self.right[-1].mean())


@dataclass(frozen=True)
class Candidates:
    """All members, and the inputs that they were scored on."""

    members: tuple[Member, ...]
    labels: tuple[str, ...]
    data: CalibrationData

    def named(self, name: str) -> Member:
        """Return a member by its name. Raises InputError."""
        for member in self.members:
            if member.name == name:
                return member
        known = ", ".join(member.name for member in self.members)
        raise InputError(f"no member {name} among the candidates; there are: {known}")


def read_candidates(
    names: Sequence[str],
    backend: Backend,
    calibration: str,
    labels_path: Path | None,
    progress: Progress,
    work: CellRunner = IN_PROCESS,
) -> Candidates:
    """Open candidates and score all their nets on the same inputs.

    Args:
        names: of bundles that ship, of folders, or of .tflite files.
        backend: to run them with.
        calibration: as `read_calibration` takes it; nothing that a weight was trained on.
        labels_path: labels of an .npy or IDX file.
        progress: called with what is scored.
        work: scores pieces of the inputs.

    Raises:
        InputError: other classes, other inputs for one than for another, or two of one name.
        BundleError: a candidate cannot be opened.
        CalibrationError: a net answers at chance.
    """
    with ExitStack() as held:
        bundles = _of_any_size(list(_opened(tuple(dict.fromkeys(names)), held)))
        labels, data = bundles[0].manifest.labels, None
        members: list[Member] = []
        for bundle in bundles:
            _check_classes(bundles[0], bundle)
            read = read_calibration(bundle, calibration, labels_path)
            if data is not None and not np.array_equal(read.labels, data.labels):
                raise InputError(
                    f"{bundle.manifest.name}: {calibration} gives it other inputs than "
                    f"{bundles[0].manifest.name} ({len(read)} and {len(data)}): give files, which "
                    "are the same for all"
                )
            data = data or read
            if bundle.manifest.name in {member.bundle for member in members}:
                raise InputError(f"two candidates are called {bundle.manifest.name}: rename one")
            members += _members(bundle, backend, read, progress, work)
    assert data is not None  # there is a candidate
    return Candidates(tuple(sorted(members, key=lambda m: m.macs)), tuple(labels), data)


def _opened(names: Sequence[str], held: ExitStack) -> Iterator[Bundle]:
    whole = {name: open_bundle(name) for name in names if Path(name).suffix != ".tflite"}
    labels = next((tuple(bundle.manifest.labels) for bundle in whole.values()), None)
    for name in names:
        if name in whole:
            yield whole[name]
            continue
        path, folder = Path(name), held.enter_context(_scratch())
        called = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).lstrip("._-") or "net"
        try:
            yield build_single(path, Path(folder) / called, name=called, labels=labels)
        except ModelNotSupportedError as error:
            raise ModelNotSupportedError(
                f"{error} (options of bundle build --single {path}: its bundle is a candidate too)"
            ) from error


def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="edge-infer-")


def _of_any_size(bundles: list[Bundle]) -> list[Bundle]:
    """Return bundles whose stages resize frames, where not all take one size.

    They are scored as they would run behind each other: on the same frames, resized alike.
    """
    if len({FrameSpec.of(bundle).shape for bundle in bundles}) == 1:
        return bundles
    return [
        replace(bundle, manifest=replace(bundle.manifest, stages=tuple(
            replace(stage, input=replace(stage.input, preprocess=_resizing(stage.input.preprocess)))
            for stage in bundle.manifest.stages
        )))
        for bundle in bundles
    ]  # fmt: skip


def _resizing(preprocess: Preprocess | None) -> Preprocess | None:
    if preprocess is None or preprocess.resize != "none":
        return preprocess
    return replace(preprocess, resize="bilinear")


def _check_classes(first: Bundle, other: Bundle) -> None:
    ours, theirs = first.manifest.labels, other.manifest.labels
    if tuple(ours) == tuple(theirs):
        return
    only = [sorted(set(a) - set(b))[:3] for a, b in ((ours, theirs), (theirs, ours))]
    what = f"{only[0]} against {only[1]}" if any(only) else "the same ones in another order"
    raise InputError(
        f"{first.manifest.name} and {other.manifest.name} do not tell the same classes apart: "
        f"{len(ours)} and {len(theirs)}, {what}"
    )


def _members(
    bundle: Bundle, backend: Backend, data: CalibrationData, progress: Progress, runner: CellRunner
) -> Iterator[Member]:
    manifest = bundle.manifest
    for ratio in manifest.ratios:
        progress(f"scoring {len(data)} inputs with {manifest.name} at ratio {ratio}")
        scores = score(
            bundle, backend, data.frames, ratio, unit="inputs", progress=progress, work=runner
        )
        called = row_name(manifest.name, ratio)
        check_above_chance(scores[-1].argmax(axis=1), data.labels, f"the net of {called}")
        for index, stage in enumerate(manifest.stages):
            last = index == len(manifest.stages) - 1
            name = called if last else row_name(f"{manifest.name}:{stage.name}", ratio)
            draft = replace(plain_net(bundle, ratio, index), name=_stage_name(name))
            work = plain_work(bundle, ratio, name, index)
            yield _member(name, bundle, (name,), (draft,), (work,), (scores[index],), data)
        if ratio == FULL_RATIO:
            yield from _chains(bundle, scores, data)


def _chains(
    bundle: Bundle, scores: Sequence[NDArray[Any]], data: CalibrationData
) -> Iterator[Member]:
    """Yield the stages that hand on to each other, the last ones left out one by one."""
    stages, drafts = bundle.manifest.stages, redraft(bundle).stages
    if len(stages) < 2 or any(stage.input.reads == "frame" for stage in stages[1:]):
        return
    name = bundle.manifest.name
    for count in range(2, len(stages) + 1):
        exits = tuple(f"{name}[{stage.name}]" for stage in stages[:count])
        own = [replace(d, name=_stage_name(e)) for d, e in zip(drafts, exits, strict=False)]
        own[-1] = replace(own[-1], features=())
        works = tuple(
            Work(e, tuple(OpWork(*op) for op in stage.ops), dtype=stage.arithmetic)
            for e, stage in zip(exits, stages, strict=False)
        )
        called = f"{name}[{count} exits]"
        yield _member(called, bundle, exits, tuple(own), works, scores[:count], data)


def _member(
    name: str, bundle: Bundle, exits: tuple[str, ...], drafts: tuple[StageDraft, ...],
    works: tuple[Work, ...], scores: Sequence[NDArray[Any]], data: CalibrationData,
) -> Member:  # fmt: skip
    judged = [confidences(CRITERION, rows) for rows in scores]
    return Member(
        name, bundle.manifest.name, exits, drafts, works, tuple(scores),
        np.array([confidence for _, confidence in judged]),
        np.array([answers == data.labels for answers, _ in judged]),
    )  # fmt: skip


def _stage_name(name: str) -> str:
    """Return a name that a file may have."""
    return name.replace(":", "-").replace("@", "-").replace("[", "-").replace("]", "")
