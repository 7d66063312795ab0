"""Quantities with units are read to the last digit, and everything else is refused with a hint."""

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_infer.boards.units import (
    UnitError,
    parse_clock_khz,
    parse_duration_ns,
    parse_energy_mwh,
    parse_power_uw,
    parse_voltage_uv,
)

Parse = Callable[[str], int]
UNITS: dict[Parse, dict[str, int]] = {
    parse_duration_ns: {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9},
    parse_power_uw: {"uW": 1, "mW": 10**3, "W": 10**6},
    parse_voltage_uv: {"mV": 10**3, "V": 10**6},
    parse_energy_mwh: {"mWh": 1, "Wh": 10**3},
    parse_clock_khz: {"kHz": 1, "MHz": 10**3, "GHz": 10**6},
}
PARSERS = pytest.mark.parametrize("parse", UNITS, ids=lambda parse: parse.__name__)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_duration_ns, "20ms", 20_000_000),
        (parse_duration_ns, " 2 min ", 12 * 10**10),
        (parse_duration_ns, "0.3s", 300_000_000),
        (parse_duration_ns, "123456789.123456789s", 123_456_789_123_456_789),  # no float holds it
        (parse_power_uw, "5W", 5_000_000),
        (parse_power_uw, "350mW", 350_000),
        (parse_energy_mwh, "18.5Wh", 18_500),
        (parse_clock_khz, "1500MHz", 1_500_000),
        (parse_clock_khz, "1.5GHz", 1_500_000),
    ],
)
def test_a_quantity_is_an_integer(parse: Parse, text: str, value: int) -> None:
    assert parse(text) == value


@PARSERS
@given(data=st.data(), digits=st.integers(0, 10**15 - 1), places=st.integers(0, 15))
def test_every_digit_counts(parse: Parse, data: st.DataObject, digits: int, places: int) -> None:
    unit, factor = data.draw(st.sampled_from(sorted(UNITS[parse].items())))
    text = f"{digits:0{places + 1}d}"
    number = f"{text[:-places]}.{text[-places:]}" if places else text
    assert parse(f"{number}{unit}") == round(Fraction(digits, 10**places) * factor)


@PARSERS
@given(text=st.text(max_size=12) | st.from_regex(r"[-+]?[0-9.e]{0,6} ?[a-zA-Z]{0,3}"))
@example(text="20")
@example(text="nan s")
@example(text="infW")
@example(text="-1s")
@example(text="1e3ms")
@example(text="5 KHZ")
@example(text="9" * 5000 + "s")
def test_any_other_text_teaches_how_to_write_one(parse: Parse, text: str) -> None:
    try:
        assert parse(text) >= 0
    except UnitError as error:
        assert f"{text!r} is no " in str(error)
        assert "; write it with its unit: " in str(error)


@PARSERS
def test_a_quantity_of_another_kind_is_refused(parse: Parse) -> None:
    others = {unit for units in UNITS.values() for unit in units} - set(UNITS[parse])
    for unit in others:
        with pytest.raises(UnitError, match=f"'1{unit}' is no "):
            parse(f"1{unit}")
