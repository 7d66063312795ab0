import pytest

from edge_infer.boards.errors import MeterError
from edge_infer.boards.ina219_registers import CONFIGURATION_AT_RESET, Ina219Settings


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        # Datasheet SBOS448G, tables 3 to 6, bit by bit.
        (Ina219Settings(32, 320, 12, 1), CONFIGURATION_AT_RESET),
        (Ina219Settings(16, 320, 12, 1), 0x199F),
        (Ina219Settings(16, 40, 12, 1), 0x019F),
        (Ina219Settings(16, 80, 9, 1), 0x0807),
        (Ina219Settings(32, 160, 10, 1), 0x308F),
        (Ina219Settings(16, 160, 11, 1), 0x1117),
        (Ina219Settings(16, 320, 12, 2), 0x1CCF),
        (Ina219Settings(32, 320, 12, 128), 0x3FFF),
    ],
)
def test_the_configuration_word(settings: Ina219Settings, word: int) -> None:
    assert settings.word == word


@pytest.mark.parametrize(
    ("bits", "samples", "conversion_us"),
    [(9, 1, 84), (10, 1, 148), (11, 1, 276), (12, 1, 532), (12, 2, 1060), (12, 128, 68_100)],
)
def test_the_conversion_time(bits: int, samples: int, conversion_us: int) -> None:
    settings = Ina219Settings(adc_bits=bits, adc_samples=samples)
    assert settings.conversion_ns == conversion_us * 1000


def test_the_shunt_code_ends_with_the_pga_range() -> None:
    assert Ina219Settings(shunt_range_mv=40).shunt_limit == 4_000
    assert Ina219Settings(shunt_range_mv=320).shunt_limit == 32_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"bus_range_v": 26},
        {"shunt_range_mv": 100},
        {"adc_bits": 8},
        {"adc_bits": 9, "adc_samples": 2},
    ],
)
def test_a_setting_the_chip_does_not_have_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(MeterError, match="INA219"):
        Ina219Settings(**wrong)
