"""The laboratory as a library: what it exports, and that it only tells whoever asked."""

import pytest

from edge_infer import lab, open_board, open_bundle
from edge_infer.models_tflite.backend import open_backend


@pytest.mark.parametrize("name", lab.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(lab, name) is not None


def test_a_call_prints_nothing_and_tells_how_far_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    with open_board("sim:raspberry-pi-5") as board:
        bundle = open_bundle("digits-little-big")
        table = lab.measure_costs(bundle, open_backend(), board, (1,), told.append)
    assert table.bundle.startswith("digits-little-big ")
    assert told[0].startswith("round 1: ")
    assert capfd.readouterr() == ("", "")
