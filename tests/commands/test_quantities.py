import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.commands.quantities import Duration, FrameSize, energy_text, share_text, time_text
from edge_infer.commands.root import run_line


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("20ms", 20_000_000),
        ("1.5s", 1_500_000_000),
        ("500us", 500_000),
        ("7ns", 7),
        ("2 min", 12 * 10**10),
    ],
)
def test_a_time_is_ns(text: str, ns: int) -> None:
    assert Duration().convert(text, None, None) == ns


@given(st.text(max_size=12))
def test_any_text_is_a_time_or_a_usage_error(text: str) -> None:
    try:
        assert Duration().convert(text, None, None) >= 0
    except click.BadParameter as error:
        assert "500us, 20ms, 1.5s" in str(error)


def test_a_size_is_width_and_height() -> None:
    assert FrameSize().convert("640x480", None, None) == (640, 480)
    with pytest.raises(click.BadParameter, match="640x480"):
        FrameSize().convert("640", None, None)


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (None, "-"),
        (0.5, "0.5 us"),
        (12.34, "12.3 us"),
        (999, "999 us"),
        (1070, "1.07 ms"),
        (2.5e6, "2.5 s"),
    ],
)
def test_times_for_people(us: float | None, text: str) -> None:
    assert time_text(us) == text


@pytest.mark.parametrize(
    ("uj", "text"),
    [
        (None, "-"),
        (0.4567, "0.46 uJ"),
        (87.65, "87.7 uJ"),
        (-3.0, "-3.00 uJ"),
        (1234, "1.23 mJ"),
        (2.5e6, "2.5 J"),
    ],
)
def test_energies_for_people(uj: float | None, text: str) -> None:
    assert energy_text(uj) == text


def test_shares_are_per_cent() -> None:
    assert share_text(0.98765, 2) == "98.77 %"
    assert share_text(None) == "-"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rate", "1e-300"), ("--rate", "nan"), ("--rate", "inf"), ("--rate", "-1"),
        ("--hours", "nan"), ("--hours", "0"), ("--hours", "1e400"), ("--misses", "nan"),
        ("--loss", "nan"), ("--deadline", "999999999999999min"), ("--queue", "9" * 30),
        ("--power-budget", "999999999999999W"), ("--frames", "9" * 30),
        ("--battery", "0Wh"),
    ],
)  # fmt: skip
def test_no_command_takes_what_is_no_number_to_reckon_with(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(["run", "digits-early-exit", option, value]) == 2
    assert f"Invalid value for '{option}'" in capsys.readouterr().err
