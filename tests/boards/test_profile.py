import tomllib
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards.errors import ProfileError, UnknownBoardError
from edge_infer.boards.kernel_counts import parse_kernel_counts
from edge_infer.boards.profile import (
    load_profile,
    parse_profile,
    profile_from,
    profile_names,
    read_profile,
)

NAMES = profile_names()


RANGED = (
    "cpu.parallel_permille", "power.more_core_uw", "power.fixed_permille",
    "power.waiting_permille", "kernels.int8.cycles_per_kinstruction", "kernels.int8.sync_cycles",
    "kernels.int8.shared_permille", "overhead.runtime_cycles", "overhead.stage_cycles",
    "overhead.decision_cycles", "overhead.invoke_cycles", "power.idle_uw", "power.busy_core_uw",
    "cpu.switch_ns",
)  # fmt: skip
"""What a modelled cost hangs on."""


def source_text(name: str) -> str:
    return (resources.files("edge_infer.boards") / "profiles" / f"{name}.toml").read_text()


def numbers(value: Any, path: str = "") -> list[str]:
    """Return the dotted path of every number in a parsed document."""
    if isinstance(value, dict):
        return [
            p for key, entry in value.items() for p in numbers(entry, f"{path}.{key}".strip("."))
        ]
    if isinstance(value, list):
        return [p for i, entry in enumerate(value) for p in numbers(entry, f"{path}[{i}]")]
    return [path] if type(value) in (int, float) else []


@pytest.mark.parametrize("name", NAMES)
def test_every_number_stands_beside_a_source(name: str) -> None:
    profile = load_profile(name)
    for path in numbers(tomllib.loads(source_text(name))):
        key = path.split(".value")[0].removesuffix(".low").removesuffix(".high")
        assert path == "format_version" or profile.figures[key].source.strip(), path


@pytest.mark.parametrize("name", NAMES)
def test_what_nobody_published_has_a_range_around_it(name: str) -> None:
    profile = load_profile(name)
    for key, figure in profile.figures.items():
        if figure.basis == "synthetic" and key in RANGED:
            assert figure.low is not None and figure.high is not None, key
            assert figure.low < figure.high, key


def test_the_pi_4_does_not_scale_its_voltage_up_to_1500_mhz() -> None:
    cpu = load_profile("raspberry-pi-4b").cpu
    assert cpu is not None
    assert cpu.clocks_khz == tuple(range(600_000, 1_600_000, 100_000))
    assert set(cpu.core_uv) == {843_800}


def test_the_pi_5_scales_its_voltage_from_720_to_865_mv() -> None:
    cpu = load_profile("raspberry-pi-5").cpu
    assert cpu is not None
    volts = dict(zip(cpu.clocks_khz, cpu.core_uv, strict=True))
    assert volts[1_500_000] == 720_000
    assert volts[2_000_000] == 810_000
    assert volts[2_400_000] == 865_000


@pytest.mark.parametrize("name", ["raspberry-pi-4b", "raspberry-pi-5"])
def test_idle_power_dominates_and_a_switch_takes_355_us(name: str) -> None:
    profile = load_profile(name)
    assert profile.cpu is not None and profile.power is not None
    assert profile.cpu.switch_ns == 355_000
    assert profile.power.idle_uw > 2 * profile.power.busy_core_uw


@pytest.mark.parametrize("name", ["raspberry-pi-4b", "raspberry-pi-5"])
def test_what_nobody_published_is_marked_synthetic(name: str) -> None:
    profile = load_profile(name)
    assert "power.fixed_permille" in profile.synthetic_keys
    assert "cpu.core_uv" not in profile.synthetic_keys
    for key in profile.synthetic_keys:
        assert profile.figures[key].source.startswith("assumed")


def test_the_host_states_no_numbers() -> None:
    host = load_profile("host")
    assert (host.cpu, host.power, host.meter, dict(host.figures)) == (None, None, None, {})


def test_an_unknown_board_lists_what_there_is() -> None:
    with pytest.raises(UnknownBoardError, match=r"raspberry-pi-4b, .*raspberry-pi-5"):
        load_profile("raspberry-pi-6")


PI = source_text("raspberry-pi-5")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('[cpu]\ncore = "Cortex-A76"', "[cpu]", "cpu.core: missing"),
        (
            "[cpu.cores]\nvalue = 4",
            "[cpu.cores]\nvalue = 4.5",
            "cpu.cores: value must be an integer",
        ),
        ("[cpu.cores]\nvalue = 4", "[cpu.cores]\nvalue = true", "cpu.cores: value must be an int"),
        (
            "[power.idle_uw]\nvalue",
            "[power.idle_uw]\nwert",
            "power.idle_uw: a number needs a table",
        ),
        ("[power.idle_uw]", "[power.idle]", "power.idle_uw: missing"),
        ("[power.idle_uw]", "[power.idle]", "power.idle: unknown key"),
        ('basis = "synthetic"', 'basis = "guess"', "basis must be one of"),
        ("865000]", "]", "cpu.core_uv: needs 10 values"),
        ("[1500000, 1600000", "[1600000, 1500000", "cpu.clocks_khz: must be ascending"),
        ("format_version = 2", "format_version = 1", "format_version: must be 2"),
        ("low = 20", "low = 60", "power.fixed_permille: low and high must lie around the value"),
        ('"xnnpack-cortex-a76"', '"fast"', "kernels.counts: no kernel counts fast; there are: "),
        (
            "[kernels.int8.",
            "[kernels.int4.",
            "kernels.int4: xnnpack-cortex-a76 counts int8, float32",
        ),
        ("title =", "titel =", "titel: unknown key"),
        ("[quirks]", "[quirks]\nspeed = 3", "quirks.speed: must be a str"),
        (
            "[overhead.invoke_cycles]\nvalue = 10800",
            "[overhead]\ninvoke_cycles = 10800",
            "needs a table",
        ),
    ],
)
def test_a_bad_key_is_named(old: str, new: str, complaint: str) -> None:
    assert old in PI
    with pytest.raises(ProfileError) as caught:
        parse_profile(PI.replace(old, new), "mine")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_number_without_a_source_is_refused() -> None:
    text = (
        'format_version = 1\ntitle = "x"\n[power]\nsupply_mv = 5000\n[power.idle_uw]\nvalue = 1\n'
    )
    with pytest.raises(ProfileError) as caught:
        parse_profile(text, "mine")
    message = str(caught.value)
    assert "power.supply_mv: a number needs a table with value and source" in message
    assert "power.idle_uw: no source" in message
    assert "power.busy_core_uw: missing" in message


def test_a_profile_of_ones_own_is_read_from_its_file(tmp_path: Any) -> None:
    path = tmp_path / "my-board.toml"
    path.write_text(PI)
    assert read_profile(path).name == "my-board"
    with pytest.raises(ProfileError, match="cannot read"):
        read_profile(tmp_path / "absent.toml")


def test_text_that_is_not_toml_is_a_profile_error() -> None:
    with pytest.raises(ProfileError, match="not TOML"):
        parse_profile("[cpu", "mine")


def table_paths(table: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in table.items():
        found.append((*path, key))
        if isinstance(value, dict):
            found += table_paths(value, (*path, key))
    return found


DOCUMENT = tomllib.loads(PI)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.lists(st.text())
)


@given(path=st.sampled_from(table_paths(DOCUMENT)), value=VALUES)
def test_any_one_entry_replaced_or_removed_is_accepted_or_named(
    path: tuple[str, ...], value: Any
) -> None:
    document = tomllib.loads(PI)
    table = document
    for key in path[:-1]:
        table = table[key]
    if value is None:
        del table[path[-1]]
    else:
        table[path[-1]] = value
    try:
        assert profile_from(document, "mine").name == "mine"
    except ProfileError as error:
        assert str(error).count(": ") >= 2  # the board, the key, the reason


@pytest.mark.parametrize(
    ("key", "ends", "complaint"),
    [
        ("kernels.int8.cycles_per_kinstruction", (0, 10**6), "low must be an integer of at least"),
        ("power.fixed_permille", (0, 5000), "high must be an integer of at least 0, at most 1000"),
        ("cpu.parallel_permille", (0, 1001), "high must be an integer of at least 0, at most 1000"),
    ],
)
def test_a_range_keeps_to_what_the_value_has_to(
    key: str, ends: tuple[int, int], complaint: str
) -> None:
    """A board that is drawn from it would have negative times or powers."""
    document: dict[str, Any] = tomllib.loads(source_text("raspberry-pi-5"))
    figure = document
    for part in key.split("."):
        figure = figure[part]
    figure["low"], figure["high"] = ends
    with pytest.raises(ProfileError, match=f"{key}: {complaint}"):
        profile_from(document, "mine")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("macs = ", "mac = ", "has unknown keys mac; known: assumed, columns"),
        ("outputs = ", "outputs = -", "outputs is -"),
        ("columns = ", "columns = 0.", "wants an integer of at least 1"),
        ("OTHER", "OTHERS", "OTHER is missing"),
        ("int8 = 1460", "int8 = 0", "int8 is 0: wants an integer of at least 1"),
    ],
)
def test_a_kernel_set_with_a_wrong_entry_is_refused(old: str, new: str, complaint: str) -> None:
    path = resources.files("edge_infer.boards") / "kernels" / "xnnpack-cortex-a72.toml"
    with pytest.raises(ProfileError, match=complaint):
        parse_kernel_counts(path.read_text().replace(old, new), "mine")
