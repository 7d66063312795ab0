"""Write a bundle of models somebody brought along: tuned, verified, with a short report."""

import tempfile
from functools import partial
from pathlib import Path

from edge_infer.commands.bundle_report import emit_built
from edge_infer.commands.options import refuse_existing
from edge_infer.commands.render import warn
from edge_infer.commands.tune import TuneOptions
from edge_infer.commands.tune_report import tune_report
from edge_infer.lab.tuning.tuning import tuned_draft
from edge_infer.lab.tuning.tuning_document import tune_document
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.build import BundleDraft, write_bundle
from edge_infer.models_tflite.self_test import self_test
from edge_infer.runtime.exit_criterion import exit_criteria


def write_tuned(
    draft: BundleDraft, options: TuneOptions, out: Path, replace: bool, as_json: bool
) -> None:
    """Tune a draft, write it, run its self-test, and print what came of it.

    Nothing stands at `out` unless it could be tuned.

    Args:
        draft: with thresholds that let nothing leave early.
        options: how to tune.
        out: the folder to make.
        replace: put it in the place of a bundle that stands at `out`.
        as_json: print one document.
    """
    refuse_existing(out, replace)
    with tempfile.TemporaryDirectory() as folder:
        untuned = write_bundle(Path(folder) / draft.name, draft)
        tuning = options.tune(untuned)
        document = tune_document(tuning)
        bundle = write_bundle(out, tuned_draft(tuning, document), replace=replace)
    for line in tuning.data.skipped:
        warn(f"skipped: {line}")
    backend = open_backend(options.backend, options.resolver)
    passed = self_test(bundle, backend, partial(exit_criteria, bundle.manifest)).passed
    verdict = f"self-test {'passed' if passed else 'FAILED'}"
    more = {"tuning": document, "self_test_passed": passed}
    emit_built(bundle, as_json, f"{tune_report(document)}\n\n{verdict}", more)
