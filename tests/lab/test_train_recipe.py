import re
from pathlib import Path

import numpy as np
import pytest

from edge_infer.commands.root import run_line
from edge_infer.lab.train.errors import TrainError, UnknownRecipeError
from edge_infer.lab.train.recipe import parse_recipe, read_recipe, recipe_names

RECIPES = Path(__file__).parents[2] / "tools" / "lab" / "train" / "recipes"
DIGITS = (RECIPES / "digits-early-exit.toml").read_text()


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_whole(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    parts = recipe.net["branches" if recipe.kind == "little-big" else "stages"]
    assert len(parts) == len(recipe.exits) == len({part.name for part in recipe.exits})
    assert recipe.exits[-1].distill == 0, "the last exit teaches: it has nobody to follow"
    assert all(phase.warmup_epochs < phase.epochs for phase in recipe.phases)
    has_mask = recipe.prunable is not None and not recipe.prunable.trunk
    cold = recipe.phases[1:] if has_mask else recipe.phases  # learning a mask warms up
    assert all(phase.warmup_epochs > 0 for phase in cold)
    if recipe.kind != "single":
        assert recipe.loss_bound.loss > 0 and recipe.loss_bound.confidence >= 0.9
    if recipe.kind == "little-big":
        littles = [part.little for part in recipe.exits]
        assert littles == sorted(littles, reverse=True) and any(littles) and not all(littles)


def test_the_recipes_asked_for_are_there() -> None:
    assert set(recipe_names()) >= {
        "digits-early-exit", "digits-little-big", "mnist-early-exit", "mnist-little-big",
        "cifar10-early-exit",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("epochs = 60", "epochs = ", "r.toml: not TOML"),
        ("epochs = 60\n", "", r"r.toml: \[\[phases\]\]: .*'epochs'.*; its keys are epochs, learn"),
        ("[[phases]]", "[phase]", r"r.toml: no \[\[phases\]\]"),
        ("epochs = 60\n", 'epochs = 60\nlearns = ["exit9"]\n', "exit9 is no exit: there are exit1"),
        ("batch = 64", "batch = 64\nbach = 1", r"r.toml: \[training\]: .*'bach'"),
        ('kind = "early-exit"\n', "", "r.toml: .*'kind'"),
        ('name = "exit2"', 'nome = "exit2"', r"r.toml: \[\[exits\]\]: .*'nome'"),
    ],
)
def test_a_recipe_with_a_fault_says_where(old: str, new: str, complaint: str) -> None:
    assert old in DIGITS
    with pytest.raises(TrainError, match=complaint):
        parse_recipe(DIGITS.replace(old, new, 1), "r.toml")


def test_one_exit_is_not_adaptive() -> None:
    text = re.sub(r"\[\[exits\]\]\nname = \"exit[12]\"\n(\w+ = .*\n)*", "", DIGITS)
    with pytest.raises(TrainError, match=r"1 \[\[exits\]\]: an adaptive net has two or more"):
        parse_recipe(text, "r.toml")


def test_a_single_net_has_one_exit_and_promises_nothing() -> None:
    text = DIGITS.replace('kind = "early-exit"', 'kind = "single"')
    with pytest.raises(TrainError, match=r"3 \[\[exits\]\]: a single net has one"):
        parse_recipe(text, "r.toml")
    text = re.sub(r"\[\[exits\]\]\nname = \"exit[12]\"\n(\w+ = .*\n)*", "", text)
    assert parse_recipe(text.partition("[promise]")[0], "r.toml").promise is None


def test_an_adaptive_net_promises_something() -> None:
    with pytest.raises(TrainError, match=r"no \[promise\]"):
        parse_recipe(DIGITS.partition("[promise]")[0], "r.toml")


def test_an_unknown_recipe_lists_those_there_are() -> None:
    with pytest.raises(UnknownRecipeError, match=r"no recipe 'digit': .*digits-early-exit, digits"):
        read_recipe("digit")


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(DIGITS.replace("digits-early-exit", "mine"))
    assert read_recipe(str(tmp_path / "mine.toml")).name == "mine"


def test_a_work_folder_of_another_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.txt").write_text("something else")
    x = np.zeros((40, 8, 8), np.uint8)
    np.savez(tmp_path / "d.npz", x_train=np.tile(x, (30, 1, 1)), y_train=np.arange(1200) % 10)
    arguments = ["digits-early-exit", "--out", str(tmp_path / "b"), "--work", str(tmp_path)]
    assert run_line(["train", *arguments, "--data", str(tmp_path / "d.npz")]) == 1
    assert "a run of another recipe or other data" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_the_command_refuses_before_it_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        return run_line(["train", *arguments]), capsys.readouterr().err

    code, said = run("digit", "--out", str(tmp_path / "b"))
    assert code == 2 and "no recipe 'digit'" in said
    code, said = run("digits-early-exit", "--out", str(tmp_path))
    assert code == 2 and "exists already" in said
    data = str(tmp_path / "none")
    code, said = run("digits-early-exit", "--out", str(tmp_path / "b"), "--data", data)
    assert code == 2 and f"no data at {data}" in said
    assert list(tmp_path.iterdir()) == []
