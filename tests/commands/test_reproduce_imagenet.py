import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.fakes.scored_nets import scored_nets

from edge_infer.commands.reproduce import reproduce_group
from edge_infer.lab.reproduce import imagenet
from edge_infer.lab.reproduce.imagenet_summary import best_static

SCHEMA = Path(__file__).parents[2] / "tools/commands/schemas/reproduce-big-little.schema.json"
BOARD = "sim:raspberry-pi-4b"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(reproduce_group, ["big-little", *map(str, arguments)])


def test_what_it_refuses(tmp_path: Path) -> None:
    unused = invoke("--bundle", "digits-little-big", "--net", tmp_path)
    assert unused.exit_code == 2
    assert "--net is of no use without --imagenet" in unused.output
    missing = invoke("--imagenet", tmp_path / "nowhere")
    assert "there is no folder" in str(missing.exception)
    splits = invoke("--imagenet", tmp_path, "--splits", 1)
    assert splits.exit_code == 2


@pytest.fixture(scope="module")
def _scored() -> Iterator[None]:
    nets = scored_nets(quantised_with=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagenet, "open_pictures", lambda folder: folder)
        patch.setattr(imagenet, "find_nets", lambda where: [net.net for net in nets])
        patch.setattr(imagenet, "score_nets", lambda *_: nets)
        yield


@pytest.fixture(scope="module")
def document(_scored: None) -> Any:
    result = invoke("--imagenet", "pictures", "--splits", 4, "--board", BOARD, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), found)
    return found


def test_claims_are_those_of_the_splits(document: Any) -> None:
    assert document["bundle"] is None, "MNIST is left out without --data"
    claims = {(claim["board"], claim["id"]): claim for claim in document["claims"]}
    assert len(claims) == 6
    for part in document["imagenet"]["boards"]:
        saving = claims[part["board"], "imagenet_net_energy_saving_percent"]
        assert saving["ours"] == part["saving_percent"]["mean"]
        assert saving["met"] == (saving["ours"] >= 53.7)
        loss = claims[part["board"], "imagenet_accuracy_loss_points"]
        assert loss["ours"] == part["loss_points"]["mean"]
        assert loss["met"] == (loss["ours"] <= 0.9)


def test_pictures_that_a_net_was_quantised_with_are_in_no_half(document: Any) -> None:
    found = document["imagenet"]
    assert found["pictures"] == 360
    assert found["quantised_with"] == 40
    right = scored_nets()[-1].right[40:].mean()
    assert found["nets"][-1]["accuracy_percent"] == pytest.approx(100 * right)


def test_every_cascade_of_two_and_three_is_tried_and_one_chosen_a_split(document: Any) -> None:
    for part in document["imagenet"]["boards"]:
        assert {len(one["nets"]) for one in part["tried"]} == {2, 3}
        assert all(one["nets"][-1] == "efficientnet-lite2" for one in part["tried"])
        assert sum(one["splits"] for one in part["picked"]) == 4
        low, high = part["saving_percent"]["interval"]
        assert low < high


def test_the_curve_passes_through_what_the_claims_say(document: Any) -> None:
    for part in document["imagenet"]["boards"]:
        (point,) = [each for each in part["curve"] if each["allowed_points"] == 0.9]
        assert point["saving_percent"] == part["saving_percent"]["mean"]


def test_energies_that_nobody_measured_are_said(document: Any) -> None:
    published, simulated = document["imagenet"]["boards"]
    assert published["origin"] == "mixed"
    assert published["between_measured_sizes"] == ["efficientnet-lite1"]
    assert simulated["origin"] == "modelled"


@pytest.mark.usefixtures("_scored")
def test_the_text_says_what_so_few_pictures_promise() -> None:
    text = invoke("--imagenet", "pictures", "--splits", 2, "--board", BOARD).stdout
    assert "180 pictures carry no promise of that" in text
    assert "static net of equal accuracy" in text


def test_a_mixture_costs_between_its_nets_and_none_is_cheaper() -> None:
    nets = [
        {"net": name, "net_uj": uj, "accuracy": accuracy}
        for name, uj, accuracy in (("a", 1.0, 0.5), ("b", 4.0, 0.8), ("c", 10.0, 0.9))
    ]
    assert best_static(nets, 0.8) == ("b", 4.0)
    name, uj = best_static(nets, 0.85)
    assert name == "50% c, else b"
    assert uj == pytest.approx(7.0)
    assert best_static(nets, 0.95) == ("c", 10.0), "nothing is as accurate"
    assert all(best_static(nets, a)[1] <= 10 for a in np.linspace(0.4, 1, 13))
