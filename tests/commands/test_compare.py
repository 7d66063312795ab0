"""The compare command: its document, its fairness, its refusals."""

import io
import json
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from PIL import Image
from tests.fakes.brought_models import Kind, patch_frames, template_model

from edge_infer.commands.root import run_line
from edge_infer.models_tflite.drafts import build_single

ROOT = Path(__file__).parents[2]
BUNDLE = "digits-early-exit"
SHORT = ["--frames", "400", "--images", "200", "--time-scale", "50", "--threads", "1,4"]


def schema(name: str) -> Any:
    text = (ROOT / "tools" / "commands" / "schemas" / f"{name}.schema.json").read_text()
    return fastjsonschema.compile(json.loads(text))


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run_line(["compare", BUNDLE, *SHORT, *arguments, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    schema("compare")(document)
    return document


def test_all_policies_meet_the_same_frames_in_the_same_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = compared(capsys, "--load", "0.5")
    rows = {row["policy"]: row for row in document["policies"]}
    assert {"classic", "performance", "ondemand", "zero-pad", "planned", "oracle"} <= set(rows)
    assert {row["kind"] for row in rows.values()} == {"classic", "baseline", "governor", "limit"}
    moves = ("classic", "planned-leaving")
    adaptive = [row for name, row in rows.items() if name not in moves and not row["dropped"]]
    assert len({tuple(row["exits"]) for row in adaptive}) == 1
    assert len({row["accuracy"] for row in adaptive}) == 1
    # Gross less net is the idle reference over the wall time, the same for all.
    idle = [
        (row["gross_uj_per_inference"] - row["net_uj_per_inference"]) * sum(row["exits"])
        for row in rows.values()
    ]
    assert max(idle) == pytest.approx(min(idle), rel=1e-6)
    assert rows["performance"]["net_saving_percent"] > 0
    assert rows["oracle"]["over_oracle"] == 1
    assert document["origin"] == "synthetic"
    assert "predictor of the manifest" in document["fitted_on"]


def test_rows_that_rest_on_unpublished_figures_make_it_synthetic(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = compared(capsys, "--time-scale", "1", "--policy", "performance")
    assert document["origin"] == "synthetic"
    assert any("nobody published" in note for note in document["notes"])
    assert document["simulated"]


@pytest.mark.parametrize("workload", ["back-to-back", "poisson", "bursty"])
def test_every_workload_runs_with_its_own_arrivals(
    workload: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = compared(
        capsys, "--workload", workload, "--load", "0.3", "--deadline", "60ms",
        "--policy", "powersave", "--policy", "schedutil", "--policy", "planned",
    )  # fmt: skip
    assert [row["policy"] for row in document["policies"]] == ["powersave", "schedutil", "planned"]
    assert all(sum(row["exits"]) + row["dropped"] == 400 for row in document["policies"])


def test_the_table_for_people_marks_who_misses_too_much(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["compare", BUNDLE, *SHORT, "--load", "0.9"]
    assert run_line([*arguments, "--policy", "powersave", "--policy", "performance"]) == 0
    text = capsys.readouterr().out
    assert "powersave *" in text
    assert "energies are synthetic" in text


def test_a_budget_shows_in_the_calibration_state(capsys: pytest.CaptureFixture[str]) -> None:
    tight = ["--load", "0.6", "--policy", "planned", "--power-budget"]
    document = compared(capsys, *tight, "3.69W")
    assert document["calibration"]["planned"]["budget_pressure"] > 0
    free = compared(capsys, *tight, "9W")
    assert free["calibration"]["planned"]["budget_pressure"] == 0
    assert document["policies"][0]["exits"][0] > free["policies"][0]["exits"][0]


def test_a_board_that_changes_in_mid_run_is_followed_by_calibration_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["--load", "0.55", "--slowdown", "1.25", "--disturb-at", "100", "--threads", "1"]
    line.append("--ideal")  # nothing else happens to it
    ours = ["--policy", "planned", "--policy", "planned-uncalibrated"]
    document = compared(capsys, *line, *ours)
    assert document["disturbed_at"] == 100
    after = {row["policy"]: row["after_disturbance"] for row in document["policies"]}
    assert after["planned"]["settling_misses"] <= 5
    assert after["planned"]["settled_frames"] == 250
    assert after["planned"]["settled_miss_percent"] <= 1
    assert after["planned-uncalibrated"]["settled_miss_percent"] > 1
    assert document["calibration"]["planned"]["slowdown"] == pytest.approx(1.25, rel=0.05)


def test_a_disturbed_board_is_the_default_and_its_seed_gives_the_same_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["--policy", "performance", "--policy", "planned"]
    found = [compared(capsys, *line, *more) for more in ([], [], ["--seed", "1"], ["--ideal"])]
    assert found[0] == found[1]
    assert found[0]["policies"] != found[2]["policies"] != found[3]["policies"]
    assert [document["ideal"] for document in found] == [False, False, False, True]


def test_what_is_left_to_earn_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--policy", "performance", "--policy", "powersave", "--policy", "oracle"]
    document = compared(capsys, "--load", "0.5", *chosen)
    rows = {row["policy"]: row for row in document["policies"]}
    earn = document["best_fixed_over_oracle"]
    assert earn == rows[document["best_fixed"]]["over_oracle"] >= 0.99
    arguments = ["compare", BUNDLE, *SHORT, "--load", "0.5"]
    assert run_line([*arguments, *chosen]) == 0
    assert f"{earn:.3f} of the oracle" in capsys.readouterr().out


@pytest.fixture(scope="module")
def cost_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("measured") / "table.json"
    line = ["measure", BUNDLE, "--board", "sim:raspberry-pi-5", "--threads", "1", "-o", str(path)]
    assert run_line(line) == 0
    return path


def test_a_measured_table_is_compared_on(
    cost_table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = compared(
        capsys, "--cost-table", str(cost_table), "--policy", "performance", "--time-scale", "1",
        "--threads", "1,2,4",
    )  # fmt: skip
    assert document["threads"] == [1]  # those of the default that the table has
    assert document["origin"] == "simulated"
    assert any("sum of the stages" in note for note in document["notes"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"board": "sim:raspberry-pi-4b"}, "of board sim:raspberry-pi-4b, this is sim:raspberry"),
        ({"bundle": "digits-early-exit 9.0.0"}, "of bundle digits-early-exit 9.0.0, this is"),
        ({"backend": "other 1.0"}, "of backend other 1.0, this is"),
        ({"rows": []}, "no row for stage|offers none of the threads"),
        ({"format_version": 7}, "format version 7"),
    ],
)
def test_a_table_of_something_else_is_refused(
    change: dict[str, Any],
    message: str,
    cost_table: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import re

    document = json.loads(cost_table.read_text()) | change
    (tmp_path / "table.json").write_text(json.dumps(document))
    line = ["compare", BUNDLE, *SHORT, "--cost-table", str(tmp_path / "table.json")]
    assert run_line(line) == (2 if change == {"rows": []} else 1)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(message, err)
    assert len(err.strip().splitlines()) == 1


def test_a_missing_row_says_which_measure_fills_it(
    cost_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(cost_table.read_text())
    document["rows"].pop()
    (tmp_path / "table.json").write_text(json.dumps(document))
    line = ["compare", BUNDLE, *SHORT, "--cost-table", str(tmp_path / "table.json")]
    assert run_line(line) == 1
    err = capsys.readouterr().err
    assert "no row for stage exit3 at" in err
    assert "edge-infer measure" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--deadline", "100us", "--strict"], 1, "the least possible is"),
        (["--cap", "1"], 2, "cannot be held at 1 MHz; --cap is one of its clocks: 1500, 1600"),
        (["--cap", "1550"], 2, "cannot be held at 1550 MHz"),
        (["--disturb-at", "5"], 2, "--disturb-at goes with --slowdown or --cap"),
        (["--workload", "rush"], 2, "unknown workload 'rush'"),
        (["--workload", "trace:none.csv"], 2, "no such workload file"),
        (["--policy", "turbo"], 2, "unknown policy 'turbo'"),
        (["--policy", "fixed:1500x3"], 2, "no operating point of 3 threads"),
        (["--load", "0"], 2, "0.0 is not in the range"),
        (["--threads", "3x"], 2, "1,2,4"),
        (["--threads", "1,9"], 2, "no operating point of 9 threads; --threads names some of these"),
        (["--power-budget", "3W"], 1, "that is the floor"),
        (["--power-budget", "5"], 2, "write it with its unit"),
        (["--battery", "18Wh"], 2, "go together"),
        (["--board", "host"], 1, "host has no cost table"),
        (["--data", "no-such-folder"], 2, "no such folder of data"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(["compare", BUNDLE, *SHORT, *arguments]) == code
    out, err = capsys.readouterr()
    assert message in err
    assert "Traceback" not in err
    assert out == ""


def test_a_deadline_nobody_can_meet_is_warned_of_and_gone_on_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["compare", BUNDLE, *SHORT, "--deadline", "100us", "--policy", "planned", "--json"]
    assert run_line(line) == 0
    out, err = capsys.readouterr()
    assert "the least possible is" in err
    assert json.loads(out)["policies"][0]["misses"] > 0


def test_a_workload_that_goes_back_in_time_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "arrivals.csv"
    path.write_text("0\n2\n1\n")
    assert run_line(["compare", BUNDLE, *SHORT, "--workload", f"trace:{path}"]) == 2
    assert "earlier than the one before" in capsys.readouterr().err


def test_the_document_says_what_was_read(capsys: pytest.CaptureFixture[str]) -> None:
    read = compared(capsys, "--policy", "performance")["input"]
    assert read["kind"] == "arrays" and read["name"] == "digits-early-exit samples"
    assert read["unlabelled"] == 0 and read["left_out"] == {}


def image_folders(folder: Path, image: bytes | None = None) -> Path:
    """Write ten training and ten test images, a folder for each class; `image` for the first."""
    for side in ("train", "test"):
        for digit in range(10):
            place = folder / side / str(digit)
            place.mkdir(parents=True)
            pixels = np.full((8, 8, 3), 16, np.uint8)
            Image.fromarray(pixels).save(place / "0.png")
    if image is not None:
        (folder / "test" / "0" / "0.png").write_bytes(image)
    return folder


def test_a_transparent_image_of_a_data_set_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (8, 8), (255, 255, 255, 0)).save(stream, "PNG")
    data = image_folders(tmp_path, stream.getvalue())
    assert run_line(["compare", BUNDLE, *SHORT, "--data", str(data)]) == 2
    said = capsys.readouterr().err
    assert "0.png: is transparent in part" in said and "--background" not in said


@pytest.mark.parametrize("image", [b"", b"no image", b"\x89PNG\r\n\x1a\n cut off"])
def test_an_image_of_a_data_set_that_cannot_be_read_is_named(
    image: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = image_folders(tmp_path, image)
    assert run_line(["compare", BUNDLE, *SHORT, "--data", str(data)]) == 2
    assert "0.png: not a readable image" in capsys.readouterr().err


def test_a_data_set_of_another_shape_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = image_folders(tmp_path)
    assert run_line(["compare", BUNDLE, *SHORT, "--data", str(data)]) == 2
    assert "frame of shape [8, 8, 3], the bundle takes [8, 8, 1]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "cannot be read as an .npz"),
        (b"PK\x03\x04 cut off", "cannot be read as an .npz"),
        (None, "holds ['frames'], wanted x_train and y_train"),
    ],
)
def test_a_data_set_that_cannot_be_read_is_told(
    content: bytes | None, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "set.npz"
    if content is None:
        np.savez(path, frames=np.zeros((3, 8, 8, 1), np.uint8))
    else:
        path.write_bytes(content)
    assert run_line(["compare", BUNDLE, *SHORT, "--data", str(path)]) == 2
    assert told in capsys.readouterr().err


def test_classes_of_a_data_set_are_matched_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A data set counts its classes in the order of their names, the bundle in another."""
    names = "edcba"
    (tmp_path / "net.tflite").write_bytes(template_model(Kind()))
    build_single(tmp_path / "net.tflite", tmp_path / "net", name="net", labels=[*names])
    frames, labels = patch_frames(60, seed=3)
    for number, (frame, label) in enumerate(zip(frames, labels, strict=True)):
        for side in ("train", "test"):
            place = tmp_path / "data" / side / names[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(frame).save(place / f"{number}.png")
    arguments = ["--data", str(tmp_path / "data"), "--policy", "performance", "--json"]
    assert run_line(["compare", str(tmp_path / "net"), *SHORT, *arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["policies"][0]["accuracy"] > 0.9
    assert document["input"]["name"] == "data, test side"


def test_the_highest_load_that_help_names_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["compare", "digits-early-exit", "--frames", "50", "--images", "40"]
    assert run_line([*line, "--policy", "planned", "--load", "10", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["policies"][0]["miss_percent"] > 0
