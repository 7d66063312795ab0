"""`edge-infer report` and `run --report`: what they write, what they refuse, what they tell."""

import json
from pathlib import Path

import fastjsonschema
import pytest
from tests.fakes.page_reader import PageReader, check_drawing, drawings
from tests.fakes.run_rows import row, write_rows

from edge_infer.boards.power import PowerSample
from edge_infer.boards.power_csv import PowerCsvWriter
from edge_infer.boards.simulated.board import SimulatedBoard
from edge_infer.commands.root import run_line

SCHEMA = Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "report.schema.json"
DIGITS, PI_5 = "digits-early-exit", "sim:raspberry-pi-5"
Capture = pytest.CaptureFixture[str]


class Meter:
    """What a log says of the meter behind it."""

    origin, gain_uncertainty_ppm, offset_uncertainty_uw, resolution_uw = "measured", 1, 2, 3


def power_log(path: Path, begin_ns: int, count: int = 900) -> Path:
    with path.open("w") as file:
        PowerCsvWriter(file, Meter()).write(  # type: ignore[arg-type]
            PowerSample(at, begin_ns + at * 10**6, 10**6, 5000, 0, 3_000_000 + at)
            for at in range(1, count)
        )
    return path


def outcome(capsys: Capture, *arguments: str | Path) -> tuple[int, str, str]:
    code = run_line([str(each) for each in arguments])
    return code, *capsys.readouterr()


def page_text(path: Path) -> str:
    content = path.read_text()
    for drawing in drawings(content):
        check_drawing(drawing)
    return PageReader(content).text


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "run.jsonl", (row(number) for number in range(80)))


def test_a_log_becomes_a_page_beside_it(log: Path, capsys: Capture) -> None:
    code, out, err = outcome(capsys, "report", log)
    assert code == 0 and out == f"{log.with_suffix('.html')}: 80 inferences of {log}\n"
    assert "--bundle" in err
    assert "accuracy 90.00 %" in page_text(log.with_suffix(".html"))
    assert outcome(capsys, "report", log)[0] == 0, "a page of ours is written anew"


def test_the_document_keeps_its_schema_and_its_figures_are_the_logs(
    log: Path, capsys: Capture
) -> None:
    power = power_log(log.with_name("p.csv"), 10**9)
    other = write_rows(log.with_name("b.jsonl"), (row(number) for number in range(9)))
    code, out, _ = outcome(
        capsys, "report", log, power, other, "--json", "-o", log.parent / "x.html"
    )
    document = json.loads(out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    rows = [row(number) for number in range(80)]
    first = document["runs"][0]
    assert code == 0 and first["exits"] == {"exit 0": 53, "exit 1": 27}
    assert first["figures"]["net_mean_uj"] == sum(each["net_nj"] for each in rows) / 80 / 1000
    assert first["power"] == {
        "log": str(power), "origin": "measured", "samples": 899, "lost": 0, "unusable": 0,
        "throttled": 0,
    }  # fmt: skip
    assert document["bytes"] == (log.parent / "x.html").stat().st_size
    assert "B against A" in page_text(log.parent / "x.html")


def test_a_run_writes_its_own_page(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "page.html"
    run = ("run", DIGITS, "--board", PI_5, "--frames", "60", "--rate", "50", "--json")
    code, out, _ = outcome(capsys, *run, "--report", path, "-o", tmp_path / "run.jsonl")
    document, text = json.loads(out), page_text(path)
    assert code == 0 and document["sinks"][1]["written"] == 60
    p50 = document["latency_us"]["p50"]
    assert f"inferences 60 accuracy {100 * document['accuracy']:.2f} %" in text
    assert f"latency, p50 {p50:.1f} us" in text and "exit1" in text
    assert "Of the whole run, waits included" in text and "samples, 0 lost" in text
    assert "score-margin at least" in text and PageReader(path.read_text()).pictures
    code, out, _ = outcome(capsys, "report", tmp_path / "run.jsonl", "--json")
    figures = json.loads(out)["runs"][0]["figures"]
    assert figures["latency_p50_us"] == p50 and figures["accuracy"] == document["accuracy"]


@pytest.mark.parametrize("name", ["page.txt", "nowhere/page.html"])
def test_a_page_that_cannot_be_written_is_told_before_the_run(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(SimulatedBoard, "__init__", None)  # it must not come so far
    code, out, err = outcome(capsys, "run", DIGITS, "--board", PI_5, "--report", tmp_path / name)
    assert code == (2 if name == "page.txt" else 1)
    assert not out and name in err and "Traceback" not in err


def test_frames_of_the_input_are_shown(tmp_path: Path, capsys: Capture) -> None:
    log = write_rows(
        tmp_path / "run.jsonl",
        ({**row(at), "name": f"{DIGITS} samples[{at}]", "true_label": None} for at in range(5)),
    )
    code, out, err = outcome(capsys, "report", log, "--json")
    assert code == 0 and json.loads(out)["runs"][0]["frames_shown"] == 5 and not err
    code, _, err = outcome(capsys, "report", log, "--input", tmp_path)
    assert code == 2 and "holds no image" in err


def refused(capsys: Capture, folder: Path, *arguments: str | Path) -> tuple[int, str]:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, out, err = outcome(capsys, "report", *arguments)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not out and "Traceback" not in err
    return code, err


def test_what_is_no_run_or_is_damaged_is_one_sentence_and_no_page(
    log: Path, capsys: Capture
) -> None:
    other = log.with_name("other.jsonl")
    text = log.read_text()
    for content, code, said in (
        ("", 2, "is empty"),
        ('{"a": 1}\n', 2, "no inferences"),
        ("hello\n", 2, "neither a log of run -o"),
        (text[:40], 3, "no whole inference"),
        (text.replace('"exit": 0', '"exit": "x"'), 3, "line 2: exit is 'x'"),
        (text + text, 3, "two logs in one"),
    ):
        other.write_text(content)
        found, err = refused(capsys, log.parent, other)
        assert found == code and said in err and str(other) in err and err.count("\n") == 1


def test_a_cut_log_is_told_and_reported_as_far_as_it_goes(log: Path, capsys: Capture) -> None:
    log.write_text(log.read_text()[:-100])
    code, out, err = outcome(capsys, "report", log)
    assert code == 0 and "79 inferences" in out and "left out a cut last line" in err
    assert "left out a cut last line" in page_text(log.with_suffix(".html"))


def test_power_of_another_time_or_none_is_refused(log: Path, capsys: Capture) -> None:
    far = power_log(log.with_name("far.csv"), 10**12)
    assert refused(capsys, log.parent, log, far)[0] == 2
    assert "no time in common" in refused(capsys, log.parent, log, far)[1]
    far.write_text("".join(far.read_text().splitlines(True)[:2]))
    assert refused(capsys, log.parent, log, far)[0] == 3
    assert refused(capsys, log.parent, far)[0] == 2
    near = power_log(log.with_name("near.csv"), 10**9, 400)
    code, _, err = outcome(capsys, "report", log, near)
    assert code == 0 and "% of the run's time" in err


def test_logs_and_pages_are_not_written_over(log: Path, capsys: Capture) -> None:
    page = log.with_suffix(".html")
    page.write_text("my own page")
    assert refused(capsys, log.parent, log)[0] == 2
    page.unlink()
    page.symlink_to(log)
    code, err = refused(capsys, log.parent, log, "-o", page)
    assert code == 2 and "is the log itself" in err
    assert refused(capsys, log.parent, log, "-o", log)[0] == 2


def test_what_does_not_belong_together_is_refused(log: Path, capsys: Capture) -> None:
    cats = [{**row(at), "label": "cat", "true_label": None} for at in range(3)]
    other = write_rows(log.with_name("cats.jsonl"), cats)
    code, err = refused(capsys, log.parent, log, other)
    assert code == 2 and "no label in common" in err
    assert refused(capsys, log.parent, log, log, log)[0] == 2
    code, err = refused(capsys, log.parent, other, "--bundle", DIGITS)
    assert code == 2 and "'cat' is none of its labels" in err
    code, err = refused(capsys, log.parent, log, "--bundle", DIGITS, "--bundle", DIGITS)
    assert code == 2 and "--bundle" in err


def test_bundles_that_differ_are_told(tmp_path: Path, capsys: Capture) -> None:
    logs = [
        write_rows(tmp_path / f"{at}.jsonl", [{**row(1), "name": f"{name} samples[1]"}])
        for at, name in enumerate((DIGITS, "digits-little-big"))
    ]
    code, _, err = outcome(capsys, "report", *logs, "-o", tmp_path / "x.html")
    assert code == 0 and "Two bundles: A is of digits-early-exit" in err
    assert "Two bundles" in page_text(tmp_path / "x.html")
