"""`edge-infer bundle`: make, show and check model bundles."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from edge_infer.commands.bundle_place import open_named_bundle
from edge_infer.commands.bundle_report import identity, info_text, label_mapping, ratio_rows
from edge_infer.commands.lazy_group import LazyGroup
from edge_infer.commands.options import backend_option, json_option, option, resolver_option
from edge_infer.commands.render import emit
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.errors import BackendError, BundleVerificationError
from edge_infer.models_tflite.lint import Finding, lint_bundle
from edge_infer.models_tflite.manifest import BackendInfo
from edge_infer.models_tflite.manifest_text import to_document
from edge_infer.models_tflite.probe import vouch
from edge_infer.models_tflite.self_test import SelfTestReport, self_test
from edge_infer.models_tflite.stage import all_models, load_stages
from edge_infer.runtime.exit_criterion import exit_criteria

COMMANDS = {
    "build": (".bundle_build", "build_command", "Make a bundle of one model, or of a pair."),
    "cut": (".bundle_cut", "cut_command", "Make an early-exit bundle of a model with exits."),
    "info": (".bundle", "info_command", "Show what a bundle holds."),
    "verify": (".bundle", "verify_command", "Check a bundle's hashes, schema and stages."),
    "self-test": (".bundle", "self_test_command", "Run a bundle's golden vectors."),
    "pack": (".bundle_pack", "pack_command", "Make one file of a bundle folder."),
    "sign": (".bundle_pack", "sign_command", "Sign a bundle file."),
    "keygen": (".bundle_pack", "keygen_command", "Make a key pair to sign bundles with."),
}


@click.group(
    "bundle", cls=LazyGroup, table=COMMANDS, short_help="Build, show and check model bundles."
)
def bundle_group() -> None:
    """Build, show and check model bundles."""


@click.command("info")
@click.argument("bundle")
@json_option
def info_command(bundle: str, as_json: bool) -> None:
    """Show what a BUNDLE holds."""
    opened = open_named_bundle(bundle)
    document = {"path": str(opened.path)} | to_document(opened.manifest)
    document["label_mapping"] = label_mapping(opened.manifest)
    if opened.manifest.prunable is not None:
        document["ratio_figures"] = ratio_rows(opened)
    emit(as_json, document, info_text(opened))


@click.command("verify")
@click.argument("bundle")
@option(
    "--trust",
    type=click.Path(path_type=Path, exists=True),
    help="Public key, or a folder of them, that may have signed a bundle file.",
)
@option("--allow-unsigned", is_flag=True, help="A bundle file need not be signed.")
@backend_option
@resolver_option
@json_option
def verify_command(
    bundle: str,
    trust: Path | None,
    allow_unsigned: bool,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Check a BUNDLE: hashes, schema, that its stages chain, and that each runs once.

    Of a bundle file, the digest and the signature are checked first. A stage that was not run on
    this machine before runs in a child process.
    """
    if Path(bundle).is_file():
        from edge_infer.commands.bundle_pack import verify_file

        verify_file(
            Path(bundle), trust, allow_unsigned, as_json, partial(_ran_on, backend, resolver)
        )
        return
    opened = open_named_bundle(bundle)
    findings = _findings(opened)
    faulty = any(finding.severity == "error" for finding in findings or ())
    ran_on = None if faulty else _ran_on(backend, resolver, opened)
    files = opened.manifest.files
    size_bytes = sum(info.bytes for info in files.values())
    linted = None if findings is None else [asdict(finding) for finding in findings]
    document = identity(opened) | {
        "files": len(files),
        "bytes": size_bytes,
        "findings": linted,
        "ran_on": ran_on.document() if ran_on else None,
    }
    lines = [f"{opened.manifest.name} {opened.manifest.version}: {len(files)} files, "
             f"{size_bytes / 1000:.1f} kB, all as the manifest says"]  # fmt: skip
    lines += map(str, findings or ())
    if findings is None:
        lines.append("not linted: reading a model's graph needs ai-edge-litert")
    if not faulty:
        lines.append(f"every stage runs on {ran_on}" if ran_on else "not run: no backend is here")
    emit(as_json, document, "\n".join(lines))
    if faulty:
        raise BundleVerificationError(f"{bundle}: a stage cannot run as it is, see the errors")


@click.command("self-test")
@click.argument("bundle")
@backend_option
@resolver_option
@json_option
def self_test_command(bundle: str, backend: str | None, resolver: str, as_json: bool) -> None:
    """Run the golden vectors of a BUNDLE and compare."""
    opened = open_named_bundle(bundle)
    criteria = partial(exit_criteria, opened.manifest)
    report = self_test(opened, open_backend(backend, resolver), criteria)
    document = identity(opened) | to_document(report) | {"passed": report.passed}
    emit(as_json, document, _self_test_text(opened, report))
    if not report.passed:
        raise BundleVerificationError(
            f"{bundle}: the self-test failed on {len(report.failures)} points: the bundle or the "
            "kernels here are not what they should be"
        )


def _ran_on(backend: str | None, resolver: str, bundle: Bundle) -> BackendInfo | None:
    """Return the kernels that each stage ran on at every ratio; None where there are none.

    Raises ModelError for a stage that does not run or is not as the manifest says, BackendError for
    a backend that was asked for and is not here.
    """
    try:
        kernels = open_backend(backend, resolver)
    except BackendError:
        if backend is not None:
            raise
        return None
    vouch(all_models(bundle), kernels)
    for ratio in bundle.manifest.ratios:
        load_stages(bundle, kernels, ratio=ratio)
    return kernels.info


def _findings(bundle: Bundle) -> list[Finding] | None:
    try:
        return lint_bundle(bundle)
    except BackendError:  # a board without the schema can still check all hashes
        return None


def _self_test_text(bundle: Bundle, report: SelfTestReport) -> str:
    made = bundle.manifest.golden.made_with
    lines = [
        f"kernels here  {report.backend}",
        f"golden from   {made}",
        f"ratios        {', '.join(report.ratios)}",
        f"vectors       {report.vectors}, of which {report.wide} had to agree",
        f"scores        {'all equal bit for bit' if report.exact else 'not all equal'}",
        f"result        {'passed' if report.passed else 'FAILED'}",
    ]
    if not report.wide:
        lines.append("no margin is wide enough to hold other kernels to: only a run was checked")
    return "\n".join([*lines, *report.failures])
