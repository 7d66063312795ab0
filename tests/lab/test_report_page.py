"""The page of a report: its form, its drawings, its figures, and what it says is missing."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fakes.page_reader import PageReader, check_drawing, drawings
from tests.fakes.run_rows import Row, row, write_rows
from tests.profile import examples

from edge_infer.boards.errors import TraceError
from edge_infer.boards.power import PowerSample
from edge_infer.lab.report.confusion import MOST_LABELS, REST, matrix_of
from edge_infer.lab.report.figures import linear_ticks, logarithmic_ticks
from edge_infer.lab.report.kept_frames import MOST
from edge_infer.lab.report.markup import clipped
from edge_infer.lab.report.page import check_comparable, page
from edge_infer.lab.report.pictures import SIDE
from edge_infer.lab.report.png import png, reduced
from edge_infer.lab.report.power_line import PowerLine
from edge_infer.lab.report.reported_run import ReportedRun, read_run
from edge_infer.lab.report.run_row import run_row
from edge_infer.lab.report.run_tally import RunTally
from edge_infer.models_tflite import open_bundle

SECTIONS = (
    "Run", "Power over time", "Latency by exit", "Net energy by exit", "Clocks", "Confusion",
    "Thresholds", "Wrong frames", "Least certain frames", "Origin of each figure",
)  # fmt: skip


def reported(rows: list[Row], power: PowerLine | None = None, name: str = "a") -> ReportedRun:
    tally = RunTally()
    for each in rows:
        tally.add(run_row(each))
    return ReportedRun(name, tally, power)


def checked(content: str) -> str:
    """The text of a page that is well formed, and whose drawings are."""
    reader = PageReader(content)
    for drawing in drawings(content):
        check_drawing(drawing)
    return reader.text


def metered(count: int, gap: range = range(0)) -> PowerLine:
    power = PowerLine("p.csv", "measured")
    power.add(
        PowerSample(
            at, 1_000_000_000 + 1_000_000 * at, 1_000_000, 5000, 0, 3_000_000 + at % 7 * 999
        )
        for at in range(1, count)
        if at not in gap
    )
    return power


def test_each_section_is_there_and_the_figures_are_the_logs() -> None:
    rows = [row(number) for number in range(400)]
    text = checked(page([reported(rows, metered(4000))]))
    for section in SECTIONS:
        assert section in text
    latencies = [each["end_ns"] - each["arrival_ns"] for each in rows]
    p50 = np.percentile(latencies, 50) / 1000
    assert f"inferences 400 accuracy 90.00 % latency, p50 {p50:.0f} us" in text
    assert "deadlines missed 8" in text
    exit_0 = [each["net_nj"] for each in rows if each["exit"] == 0]
    assert f"exit 0 {len(exit_0)} {np.mean(exit_0) / 1000:.1f} uJ" in text
    assert "90.00 % of 400 right" in text and "3,999 samples, 0 lost" in text


NOTHING: Row = dict.fromkeys(
    (
        *("name", "confidence", "confidence_kind", "true_label", "criterion", "arrival_ns"),
        *("energy_origin", "gross_nj", "net_nj", "uncertainty_nj", "clock_khz"),
    )
)


def test_what_a_log_does_not_hold_is_said_to_be_missing() -> None:
    text = checked(page([reported([{**row(number), **NOTHING} for number in range(9)])]))
    for sentence in (
        "No meter's samples",
        "The log holds no times of arrival",
        "The log holds no energies",
        "The log holds no clocks",
        "The true labels are not known, so there is neither accuracy nor confusion",
        "The log does not say which bundle ran",
        "no answer is known to be wrong",
        "The log does not say how sure the net was",
        "the log does not say whether there was one",
    ):
        assert sentence in text, sentence


HOSTILE = (
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]></style><svg onload=alert(1)>",
    "&lt;script&gt;&#60;",
    "\x00\x1b[31m\x7f\u202e\ud800",
    "<!-- -->" * 40,
    "\u4e2d\u6587" * 40,
)
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=90))


@example(name=HOSTILE[0], label=HOSTILE[1], true=HOSTILE[2], other=HOSTILE[3])
@example(name=HOSTILE[4], label=HOSTILE[5], true=HOSTILE[6], other="")
@given(name=TEXTS, label=TEXTS, true=TEXTS, other=TEXTS)
def test_no_text_of_a_log_becomes_markup(name: str, label: str, true: str, other: str) -> None:
    texts = {"name": name, "label": label, "true_label": true, "confidence_kind": other}
    rows = [{**row(at), **texts, "energy_origin": other} for at in range(3)]
    run = reported(rows, name=name)
    content = page([run], [other])
    text = checked(content)
    assert "<script" not in content and "<!--" not in content
    assert " ".join(clipped(label, 24).split()) in text
    checked(page([run, run]))


@pytest.mark.parametrize("count", [1, 2, 7, 30, 2000])
@pytest.mark.parametrize("exits", [1, 2, 9])
def test_drawings_of_any_size_keep_to_their_frame(count: int, exits: int) -> None:
    rows = [{**row(number), "exit": number % exits} for number in range(count)]
    checked(page([reported(rows, metered(10 * count + 2, range(20, 40)))]))
    checked(page([reported(rows), reported(rows[:1], metered(3))]))


def spread_rows(latencies: list[int], energies: list[int]) -> list[Row]:
    return [
        {**row(at), "arrival_ns": None if at % 2 else 0, "start_ns": at, "end_ns": at + latency}
        | {"net_nj": energy, "gross_nj": abs(energy)}
        for at, (latency, energy) in enumerate(zip(latencies, energies, strict=True))
    ]


VALUES = st.tuples(st.integers(0, 10**13), st.integers(-(10**14), 10**14))


@given(st.lists(VALUES, min_size=1, max_size=30))
def test_drawings_of_any_values_keep_to_their_frame(values: list[tuple[int, int]]) -> None:
    latencies, energies = ([each[at] for each in values] for at in (0, 1))
    checked(page([reported(spread_rows(latencies, energies))]))


def test_outliers_do_not_flatten_a_histogram_and_are_counted() -> None:
    rows = spread_rows([1000 + at for at in range(3000)], [100 + at % 50 for at in range(3000)])
    rows[5] |= {"net_nj": -(10**9)}
    text = checked(page([reported(rows)]))
    assert "1 inferences lie beyond the axis" in text


def test_a_matrix_of_many_labels_shows_those_that_are_confused() -> None:
    pairs = {(f"l{at}", f"l{at}"): 5 for at in range(1000)} | {("l7", "l400"): 3}
    matrix = matrix_of(pairs, [])
    assert len(matrix.labels) == MOST_LABELS and {"l7", "l400", REST} <= set(matrix.labels)
    assert sum(matrix.counts.values()) == 5003 and matrix.merged == 1000 - MOST_LABELS + 1
    rows = [{**row(at), "label": f"l{at}", "true_label": f"l{at * 7 % 500}"} for at in range(500)]
    assert "others stand together" in checked(page([reported(rows)]))


def test_a_page_of_many_rows_is_as_small(examples_of: int = examples(1)) -> None:
    few, many = (
        page([reported([row(number) for number in range(count)], metered(count))])
        for count in (2_000, 30_000 * examples_of)
    )
    assert len(many) < 1.5 * len(few) < 600_000
    assert "tables and percentiles are of all of them" in checked(many)


def test_gaps_of_the_meter_stay_gaps() -> None:
    def moves(power: PowerLine) -> int:
        (drawing, *_) = drawings(page([reported([row(at) for at in range(100)], power)]))
        (line,) = [path for path in drawing.iter("path") if path.attrib["class"] == "power"]
        return line.attrib["d"].count("M")

    assert moves(metered(990)) == 1
    assert moves(metered(990, range(400, 600))) == 2
    assert moves(metered(9900, range(400, 600))) == 2


def test_two_runs_share_their_axes() -> None:
    first = [row(number) for number in range(50)]
    second = [{**each, "end_ns": each["end_ns"] + 10**6} for each in first]
    content = page([reported(first), reported(second)])
    found = [drawing for drawing in drawings(content) if "latency" in (drawing[0].text or "")]
    ticks = [[text.text for text in drawing.iter("text")] for drawing in found]
    assert len(ticks) == 2 and ticks[0] == ticks[1]
    text = checked(content)
    assert "B against A" in text and "accuracy 90.00 % 90.00 % same" in text


def test_runs_without_a_label_in_common_are_not_compared() -> None:
    other = {"label": "cat", "true_label": None}
    with pytest.raises(TraceError, match="no label in common"):
        check_comparable(reported([row(1)]), reported([{**row(1), **other}], name="b"))


def test_the_bundle_is_found_by_its_samples_and_its_frames_are_shown(tmp_path: Path) -> None:
    samples = open_bundle("digits-early-exit").samples()
    assert samples is not None
    rows = [
        {**row(number), "name": f"digits-early-exit samples[{number}]", "criterion": 200}
        | {"true_label": str(samples[1][number]), "label": "3", "exit": 0}
        for number in range(40)
    ]
    run = read_run(write_rows(tmp_path / "run.jsonl", rows), None, None, None)
    assert run.bundle is not None and run.exit_name(0) == "exit1"
    content = page([run])
    assert PageReader(content).pictures == 2 * MOST and run.pictures.missing is None
    text = checked(content)
    assert "score-margin at least" in text and "below the threshold" not in text


def test_frames_below_a_threshold_are_told(tmp_path: Path) -> None:
    name = "digits-early-exit samples[0]"
    rows = [{**row(number), "name": name, "criterion": 1} for number in range(4)]
    run = read_run(write_rows(tmp_path / "run.jsonl", rows), None, None, None)
    assert "Frames left exit1, exit2 below the threshold" in checked(page([run]))


def test_a_log_names_no_file_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    np.save(tmp_path / "secret.npy", np.zeros((3, 8, 8), np.uint8))
    for name in ("../secret.npy[0]", str(tmp_path / "secret.npy[0]")):
        rows = [{**row(number), "name": name} for number in range(4)]
        log = write_rows(tmp_path / "logs" / "run.jsonl", rows)
        run = read_run(log, None, open_bundle("digits-early-exit"), None)
        assert not run.pictures.of and "--input" in str(run.pictures.missing)


def test_arrays_beside_a_log_give_its_thumbnails(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8) % 17)
    rows = [{**row(number), "name": f"frames.npy[{number}]"} for number in range(3)]
    log = write_rows(tmp_path / "run.jsonl", rows)
    run = read_run(log, None, open_bundle("digits-early-exit"), None)
    assert len(run.pictures.of) == 3 and run.pictures.missing is None


@pytest.mark.parametrize("content", [np.zeros((3, 5, 5), np.uint8), np.zeros(4), None])
def test_arrays_that_do_not_fit_are_said_not_to(tmp_path: Path, content: Any) -> None:
    if content is None:
        (tmp_path / "frames.npy").write_bytes(b"no array")
    else:
        np.save(tmp_path / "frames.npy", content)
    log = write_rows(tmp_path / "run.jsonl", [{**row(0), "name": "frames.npy[0]"}])
    run = read_run(log, None, open_bundle("digits-early-exit"), None)
    assert "frames cannot be shown: " in str(run.pictures.missing)
    checked(page([run]))


@pytest.mark.parametrize("shape", [(8, 8), (3, 5), (32, 32, 3), (1, 1)])
def test_a_png_holds_its_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    content = png(pixels)
    assert content[16:24] == shape[1].to_bytes(4, "big") + shape[0].to_bytes(4, "big")
    packed = content[content.index(b"IDAT") + 4 : -16]
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape[0], -1)
    assert not rows[:, 0].any() and (rows[:, 1:].reshape(shape) == pixels).all()


@pytest.mark.parametrize("shape", [(224, 224, 3), (64, 64, 1), (65, 3, 1), (1000, 2, 3)])
def test_a_thumbnail_is_small(shape: tuple[int, ...]) -> None:
    small = reduced(np.full(shape, 7, np.uint8), SIDE)
    assert max(small.shape[:2]) <= SIDE and min(small.shape) >= 1 and (small == 7).all()


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9), st.integers(2, 9))
def test_linear_ticks_lie_within_and_are_few(low: float, length: float, most: int) -> None:
    ticks = linear_ticks(low, low + length, most)
    slack = 1e-6 * (abs(low) + length)
    assert len(ticks) <= most + 1
    assert all(low - slack <= tick <= low + length + slack for tick in ticks)


@given(st.floats(1e-6, 1e6), st.floats(31, 1e9))
def test_logarithmic_ticks_lie_within(low: float, times: float) -> None:
    ticks = logarithmic_ticks(low, low * times)
    assert ticks and all(low * 0.999 <= tick <= low * times * 1.001 for tick in ticks)
