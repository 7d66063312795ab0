import json
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.tiny_models import single_model

from edge_infer.boards.published import published_networks
from edge_infer.lab.progress import silent
from edge_infer.lab.reproduce import imagenet_scores
from edge_infer.lab.reproduce.imagenet_energy import (
    PUBLISHED_ON,
    board_energies,
    published_energies,
)
from edge_infer.lab.reproduce.imagenet_nets import (
    PublishedNet,
    calibration_pictures,
    find_nets,
    network_name,
    read_net,
)
from edge_infer.lab.reproduce.imagenet_scores import open_pictures, score_nets
from edge_infer.lab.tuning.calibration_data import CalibrationError
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.errors import ModelError, ModelNotSupportedError
from edge_infer.runtime.errors import InputError, RunError, SourceMissingError

SHARED = Path(__file__).parents[3].parent / "shared" / "data"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("efficientnet-lite2.tflite", "efficientnet-lite2"),
        ("mobilenet_v1_0.75_192_quant.tflite", "mobilenet-v1-0.75-192"),
        ("MobileNet-V2-1.0-224-INT8.tflite", "mobilenet-v2-1.0-224"),
    ],
)
def test_a_file_is_known_by_its_name(file: str, name: str) -> None:
    assert network_name(Path(file)) == name


def test_a_net_that_nobody_published_is_named() -> None:
    with pytest.raises(
        InputError, match=r"no published network is called my-net: .*as efficientnet"
    ):
        network_name(Path("my_net.tflite"))


def test_a_net_of_other_classes_or_another_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "efficientnet-lite2.tflite"
    path.write_bytes(single_model(classes=5))
    with pytest.raises(ModelNotSupportedError, match="1000 labels for 5 scores"):
        read_net(path)
    path.write_bytes(single_model(classes=1000))
    with pytest.raises(ModelNotSupportedError, match=r"MMAC.*efficientnet-lite2 has 859\.7"):
        read_net(path)
    path.write_bytes(single_model(classes=1000)[:200])
    with pytest.raises(ModelError):
        read_net(path)


def test_missing_nets_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="there is no net"):
        find_nets([tmp_path / "nowhere"])
    with pytest.raises(InputError, match=r"efficientnet-lite2 is missing among the nets \(none\)"):
        find_nets([tmp_path])


def test_two_files_of_one_network_and_a_big_net_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "edge_infer.lab.reproduce.imagenet_nets.read_net",
        lambda path: PublishedNet(network_name(path), path, "", "", ()),
    )
    (tmp_path / "efficientnet-lite2.tflite").touch()
    with pytest.raises(InputError, match="no net smaller than efficientnet-lite2"):
        find_nets([tmp_path])
    (tmp_path / "efficientnet_lite2_int8.tflite").touch()
    with pytest.raises(InputError, match="two files are of efficientnet-lite2"):
        find_nets([tmp_path])


def picture(folder: Path, name: str, seed: int = 0) -> Path:
    """Write a small picture."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (20, 20, 3), np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


@pytest.mark.parametrize("wrong", ["cat", "1000", "n01440764", "-1", "007"])
def test_a_folder_that_is_no_class_is_named(tmp_path: Path, wrong: str) -> None:
    picture(tmp_path / "images" / "7", "a.png")
    picture(tmp_path / "images" / wrong, "b.png")
    with pytest.raises(InputError, match=f"'{wrong}' is no class: subfolders are called 0 to 999"):
        open_pictures(tmp_path)


def test_pictures_outside_of_classes_or_in_two(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError):
        open_pictures(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no image"):
        open_pictures(tmp_path)
    picture(tmp_path / "7", "a.png")
    picture(tmp_path, "b.png")
    with pytest.raises(InputError, match="1 pictures lie in no class folder"):
        open_pictures(tmp_path)
    (tmp_path / "b.png").rename(tmp_path / "7" / "b.png")
    picture(tmp_path / "8", "a.png")
    with pytest.raises(InputError, match=r"a\.png lies in two class folders"):
        open_pictures(tmp_path)


def test_a_changed_picture_or_class_is_other_data(tmp_path: Path) -> None:
    path = picture(tmp_path / "7", "a.png")
    first = open_pictures(tmp_path).digest
    assert open_pictures(tmp_path).digest == first
    path.rename(picture(tmp_path / "8", "b.png").with_name("a.png"))
    second = open_pictures(tmp_path).digest
    picture(tmp_path / "8", "a.png", seed=1)
    assert len({first, second, open_pictures(tmp_path).digest}) == 3


@pytest.fixture
def tiny(tmp_path: Path) -> PublishedNet:
    """A net of random weights with 1,000 classes."""
    path = tmp_path / "net.tflite"
    path.write_bytes(single_model(classes=1000))
    return PublishedNet("mobilenet-v1-0.5-160", path, "digest", "logits", ())


def many(folder: Path, count: int = 110) -> Path:
    """Write pictures of three classes."""
    for number in range(count):
        picture(folder / str(number % 3), f"{number}.png", number)
    return folder


def test_scores_are_kept_and_unreadable_pictures_are_told(
    tmp_path: Path, tiny: PublishedNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = many(tmp_path / "pictures")
    (folder / "1" / "broken.jpg").write_bytes(b"no picture")
    monkeypatch.setattr(imagenet_scores, "check_above_chance", lambda *_: None)
    net = read_tiny(tiny)
    (first,) = score_nets([net], open_pictures(folder), open_backend(), tmp_path / "kept", silent)
    assert first.logits.shape == (110, 1000)
    assert len(first.skipped) == 1
    assert "broken.jpg" in first.skipped[0]
    (kept,) = (tmp_path / "kept").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    score_nets([net], open_pictures(folder), open_backend(), tmp_path / "kept", silent)
    assert len(kept.read_bytes()) == len(whole), "a damaged file is written anew"
    with pytest.raises(InputError, match="is no folder to keep scores in"):
        score_nets([net], open_pictures(folder), open_backend(), kept, silent)
    monkeypatch.setattr(imagenet_scores, "load_stages", None)
    (again,) = score_nets([net], open_pictures(folder), open_backend(), tmp_path / "kept", silent)
    assert (again.logits == first.logits).all()
    assert again.names == first.names


def read_tiny(net: PublishedNet) -> PublishedNet:
    """Return it with the name of its own output."""
    from edge_infer.models_tflite.graph import Graph

    graph = Graph(net.path.read_bytes())
    name = graph.tensors[graph.outputs[0]].name
    return PublishedNet(net.name, net.path, net.sha256, name, ())


def test_a_net_at_chance_says_that_folders_may_be_in_another_order(
    tmp_path: Path, tiny: PublishedNet
) -> None:
    pictures = open_pictures(many(tmp_path / "pictures"))
    with pytest.raises(CalibrationError, match="labels in another order"):
        score_nets([read_tiny(tiny)], pictures, open_backend(), tmp_path / "kept", silent)


def test_too_few_pictures_are_refused(tmp_path: Path, tiny: PublishedNet) -> None:
    pictures = open_pictures(many(tmp_path / "pictures", 12))
    with pytest.raises(InputError, match="12 pictures can be read: 100 or more"):
        score_nets([read_tiny(tiny)], pictures, open_backend(), tmp_path / "kept", silent)


def test_measured_energies_are_the_published_ones() -> None:
    rows = {r.network: r.net_uj for r in published_networks(PUBLISHED_ON) if r.dtype == "int8"}
    names = ["mobilenet-v1-0.5-160", "efficientnet-lite2"]
    found = published_energies(names)
    assert found.origin == "measured"
    assert found.stages(names) == tuple(rows[name] for name in names)


def test_energy_between_measured_sizes_lies_between_them_and_is_said() -> None:
    found = published_energies(
        ["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "mobilenet-v1-0.75-192"]
    )
    assert found.origin == "mixed"
    assert found.between == ("efficientnet-lite1", "mobilenet-v1-0.75-192")
    low, middle, high = (found.alone(f"efficientnet-lite{n}") for n in range(3))
    assert low < middle < high


def test_a_net_of_no_known_energy_is_refused() -> None:
    with pytest.raises(InputError, match=r"no energy of mobilenet-v1-1\.0-128 is published"):
        published_energies(["mobilenet-v1-1.0-128", "efficientnet-lite2"])


def test_energies_of_a_board_count_the_decision() -> None:
    name = "efficientnet-lite0"
    found = board_energies([name], "sim:raspberry-pi-4b")
    assert found.uj[name, True, True] > found.uj[name, True, False] > 0
    with pytest.raises(RunError, match="has no cost model"):
        board_energies([name], "host")


@pytest.mark.parametrize("text", ["{", "[]", '{"calibration": 3}'])
def test_a_damaged_list_of_calibration_pictures_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.json").write_text(text)
    with pytest.raises(InputError, match="does not say which pictures"):
        calibration_pictures(tmp_path / "net.tflite")
    (tmp_path / "net.json").write_text(json.dumps({"calibration": ["a.png"]}))
    assert calibration_pictures(tmp_path / "net.tflite") == ("a.png",)


@pytest.mark.slow
def test_published_pictures_are_answered_as_known(tmp_path: Path) -> None:
    pictures = SHARED / "imagenet_val_1300"
    if not pictures.is_dir():
        pytest.skip("../shared/data/imagenet_val_1300 is not here")
    net = read_net(SHARED / "models" / "coral" / "mobilenet_v1_0.5_160_quant.tflite")
    (found,) = score_nets([net], open_pictures(pictures), open_backend(), tmp_path, silent)
    assert found.right.mean() == pytest.approx(0.679, abs=0.01)
