"""The maps of the wire, and the header that the device side in C has of them."""

from dataclasses import dataclass
from typing import Annotated

import pytest

from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.wire import c_header, edge, standard
from edge_infer.firmware_bridge.wire.command import FLAT, Body, Fields, Signed, places


@dataclass(frozen=True, slots=True)
class Inner(Fields):
    height: int


@dataclass(frozen=True, slots=True)
class Outer(Fields):
    offset: Annotated[int, "off"]
    change: Annotated[Signed, "diff"] = 0
    label: str | None = None
    pairs: tuple[tuple[int, float], ...] = ()
    inner: Inner | None = None
    beside: Annotated[Inner | None, FLAT] = None


def test_the_c_header_is_what_the_wire_says() -> None:
    assert c_header.HEADER.read_text() == c_header.header(), (
        "stale: python -m edge_infer.firmware_bridge.wire.c_header"
    )


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (Outer(3), {"off": 3, "diff": 0, "pairs": []}),
        (Outer(3, -1, "x", ((1, 0.5),)), {"off": 3, "diff": -1, "label": "x", "pairs": [[1, 0.5]]}),
        (Outer(0, inner=Inner(2)), {"off": 0, "diff": 0, "pairs": [], "inner": {"height": 2}}),
        (Outer(0, beside=Inner(2)), {"off": 0, "diff": 0, "pairs": [], "height": 2}),
    ],
)
def test_a_map_is_its_fields_and_back(value: Outer, body: Body) -> None:
    assert value.pack() == body
    assert Outer.unpack(body | {"unknown": 1}) == value


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "'off' has to be a number, 0 or above, not None"),
        ({"off": -1}, "'off' has to be a number, 0 or above, not -1"),
        ({"off": True}, "'off' has to be a number"),
        ({"off": 0, "diff": 0.5}, "'diff' has to be a number"),
        ({"off": 0, "label": b"x"}, "'label' has to be a text"),
        ({"off": 0, "pairs": {}}, "'pairs' has to be a list"),
        ({"off": 0, "pairs": [[1]]}, "'pairs' has to be a list of 2"),
        ({"off": 0, "pairs": [[1, "x"]]}, "'pairs' has to be a number"),
        ({"off": 0, "inner": {}}, "'height'"),
        ({"off": 0, "inner": 5}, "Inner has to be a map"),
        (5, "Outer has to be a map"),
    ],
)
def test_a_wrong_map_is_an_error_that_names_the_key(body: Body, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        Outer.unpack(body)


def test_every_command_has_a_number_of_its_own() -> None:
    commands = (*standard.COMMANDS, *edge.COMMANDS)
    assert len({(c.group, c.number, c.op) for c in commands}) == len(commands)
    for command in commands:
        assert len({place.key for place in places(command.request)}) == len(places(command.request))
