"""The sections of a page without a drawing: what ran, thresholds, frames, origins."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from edge_infer.lab.report.figures import (
    ABSENT,
    count_figure,
    energy_figure,
    share_figure,
    time_figure,
)
from edge_infer.lab.report.kept_frames import key_of
from edge_infer.lab.report.markup import clipped, element
from edge_infer.lab.report.reported_run import NO_BUNDLE, ReportedRun
from edge_infer.lab.report.run_row import RunRow
from edge_infer.lab.report.tables import missing, remark, table
from edge_infer.models_tflite.manifest import Manifest, Thresholds


def identity_rows(run: ReportedRun) -> list[tuple[str, str]]:
    """Return what ran where, as far as it is known."""
    rows = [("log", run.name)] if run.document is None else []
    if run.power is not None and run.document is None:
        rows.append(("power", run.power.name))
    if run.bundle is not None:
        manifest = run.bundle.manifest
        rows.append(("bundle", f"{manifest.name} {manifest.version}"))
    if run.document is not None:
        rows += _document_rows(run.document)
    return rows


def _document_rows(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    backend, deadline_us = document["backend"], document["deadline"]["us"]
    simulated = " (simulated)" if document["simulated"] else ""
    yield "board", document["board"] + simulated
    yield "policy", document["policy"]
    yield "backend", f"{backend['name']} {backend['version']} ({backend['resolver']})"
    yield "deadline", "none" if deadline_us is None else time_figure(1000 * deadline_us)
    if document["deadline"]["dropped"]:
        yield "frames dropped", count_figure(document["deadline"]["dropped"])
    if document["energy"] is not None:
        idle = f"{document['energy']['idle_reference_mw'] / 1000:.3f} W"
        net = energy_figure(1000 * document["energy"]["net_uj_per_inference"])
        yield "idle reference", f"{idle}; the whole board took {net} more an inference, waits too"
    if document["interrupted"]:
        yield "interrupted", "what ran until then is told here"


def threshold_section(run: ReportedRun) -> list[ET.Element]:
    """Return the thresholds of the bundle beside what was held against them."""
    if run.bundle is None:
        return [missing(NO_BUNDLE[0].upper() + NO_BUNDLE[1:] + ".")]
    manifest = run.bundle.manifest
    if len(manifest.stages) == 1:
        return [missing("The bundle has one stage: there is nothing to decide.")]
    if not run.tally.ratios:
        return [missing("The net ran for no frame: the gate answered all.")]
    made: list[ET.Element] = []
    for ratio in sorted(run.tally.ratios, key=float, reverse=True):
        made += _of_ratio(run, manifest, manifest.thresholds[ratio], ratio)
    if run.document is None:
        made.append(
            remark(
                "As the bundle has them that was opened here; the log does not say with which "
                "thresholds it was written."
            )
        )
    return made


def _of_ratio(
    run: ReportedRun, manifest: Manifest, thresholds: Thresholds, ratio: str
) -> list[ET.Element]:
    chosen = thresholds.chosen_on
    rows, below = [], []
    for at, stage in enumerate(manifest.stages):
        last = at == len(manifest.stages) - 1
        tally = run.tally.criteria.get((ratio, at))
        least = tally.least if tally else None
        count = tally.count if tally else 0
        value = None if last else thresholds.values[at]
        if least is not None and value is not None and least < _least(value) - 1e-9:
            below.append(stage.name)
        shown = ABSENT if value is None else _threshold(value)
        seen = ABSENT if least is None else f"{least:g}"
        share = share_figure(count / run.tally.ratios[ratio])
        rows.append([clipped(stage.name, 24), shown, seen, count_figure(count), share])
    heading = ("exit", f"{thresholds.criterion} at least", "least that left", "frames", "share")
    words = f"Chosen on {clipped(chosen.data, 200)}; rule: {clipped(chosen.rule, 200)}"
    if len(run.tally.ratios) > 1:
        words = f"Ratio {clipped(ratio, 20)}. {words}"
    made = [table(heading, rows), remark(f"{words}.")]
    if below:
        made.append(
            missing(
                f"Frames left {', '.join(below)} below the threshold: another bundle ran, or a "
                "policy that lets frames leave earlier."
            )
        )
    return made


def _least(value: float | tuple[float, ...]) -> float:
    return min(value) if isinstance(value, tuple) else value


def _threshold(value: float | tuple[float, ...]) -> str:
    if not isinstance(value, tuple):
        return f"{value:g}"
    return f"{min(value):g} to {max(value):g}, by label"


def wrong_section(run: ReportedRun) -> list[ET.Element]:
    """Return the wrong answers that were the surest."""
    wrong = run.tally.wrong
    if not run.tally.all.labelled:
        return [missing("The true labels are not known, so no answer is known to be wrong.")]
    if not wrong.count:
        return [remark("No answer was wrong.")]
    words = f"{count_figure(wrong.count)} wrong answers; the surest of them, each frame once."
    return [_frames(run, wrong.rows), *_pictures_missing(run), remark(words)]


def doubtful_section(run: ReportedRun) -> list[ET.Element]:
    """Return the answers that were the least sure."""
    if not run.tally.doubtful.count:
        return [missing("The log does not say how sure the net was.")]
    kinds = " and ".join(sorted(run.tally.kinds)) or "confidence"
    words = f"By the {clipped(kinds, 40)} of the answer, each frame once."
    return [_frames(run, run.tally.doubtful.rows), *_pictures_missing(run), remark(words)]


def _frames(run: ReportedRun, rows: Sequence[RunRow]) -> ET.Element:
    return element("div", *(_frame(run, row) for row in rows), class_="frames")


def _frame(run: ReportedRun, row: RunRow) -> ET.Element:
    address = run.pictures.of.get(key_of(row))
    picture = (
        element("div", class_="picture none")
        if address is None
        else element("img", src=address, alt="", class_="picture")
    )
    sure = "" if row.confidence is None else f" {share_figure(row.confidence)}"
    true = None
    if row.true_label is not None and row.true_label != row.answer:
        true = element("b", f"is {clipped(row.true_label, 24)}")
    elif row.true_label is not None:
        true = element("span", "right")
    return element(
        "figure",
        picture,
        element(
            "figcaption",
            element("span", f"{clipped(row.answer or ABSENT, 24)}{sure}"),
            true,
            element(
                "small",
                f"{clipped(row.name or f'frame {row.number}', 40)}, {run.exit_name(row.left_at)}",
            ),
        ),
    )


def _pictures_missing(run: ReportedRun) -> list[ET.Element]:
    why = run.pictures.missing
    return [] if why is None else [missing(f"{why[0].upper()}{why[1:]}.")]


def origin_section(run: ReportedRun) -> list[ET.Element]:
    """Return where each figure is from."""
    tally = run.tally
    counted = ", ".join(
        f"{clipped(name, 20)} {count_figure(n)}" for name, n in tally.origins.items()
    )
    energies = counted or "not known"
    if tally.without_energy and counted:
        energies += f", without energy {count_figure(tally.without_energy)}"
    simulated = "simulated" in tally.origins or (run.document or {}).get("simulated", False)
    clock = "a simulated board's virtual time" if simulated else "the board's own clock"
    deadline = "" if run.document else "; the log does not say whether there was one"
    rows = [
        ("latency", clock, "from arrival to answer, as the log has it"),
        ("energy of an inference", energies, "net is the board's less its idle reference"),
        ("power over time", run.power.origin if run.power else "not there", _power_words(run)),
        ("accuracy, confusion", "counted", "answer against true label, by their words"),
        ("deadlines missed", "counted", f"answers after their deadline{deadline}"),
        ("clocks", "read back" if not simulated else "simulated", _clock_words(run)),
        ("thresholds", "the bundle's manifest" if run.bundle else "not there", ""),
    ]
    notes = [element("li", note) for note in _notes(run)]
    return [
        table(("figure", "origin", "how"), rows, words=True),
        *([element("ul", *notes)] if notes else []),
    ]


def _power_words(run: ReportedRun) -> str:
    return "the meter's samples" if run.power else "see the section"


def _clock_words(run: ReportedRun) -> str:
    return "over the whole run" if run.document else "over the time of answering"


def _notes(run: ReportedRun) -> Iterator[str]:
    """Yield what a reader has to know: left out, modelled, merged."""
    yield from run.notes
    if run.tally.smoothed:
        yield (
            f"{count_figure(run.tally.smoothed)} answers are those of several frames together, "
            "where the net said another of the one."
        )
    if run.document is not None:
        yield from run.document["model_notes"]
        if run.document["synthetic"]:
            yield "The board's model rests in part on figures that nobody published (synthetic)."
    half = _half_width(run)
    if half is not None:
        yield half


def _half_width(run: ReportedRun) -> str | None:
    energy = (run.document or {}).get("energy")
    if energy is None or energy["net_uncertainty_uj"] is None:
        return None
    mean, width = (
        energy_figure(1000 * energy[key]) for key in ("net_uj_per_inference", "net_uncertainty_uj")
    )
    return (
        f"The run's whole net energy is {mean} +- {width} an inference (about 95 %); the figures "
        "by exit are the parts that were apportioned to inferences."
    )
