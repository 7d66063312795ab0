from pathlib import Path

import pytest

from edge_infer.boards import registry
from edge_infer.boards.errors import BoardError, ClockError
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.thermal import LinuxThermometer

NO_SYSFS = RealSysfs(Path("/nonexistent"))
COOL = LinuxThermometer(NO_SYSFS)


def device_tree(root: Path, text: str) -> RealSysfs:
    file = root / registry.DEVICE_TREE
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return RealSysfs(root)


def test_a_board_is_known_by_its_device_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sysfs = device_tree(tmp_path, "raspberrypi,5-model-b\0brcm,bcm2712\0")
    monkeypatch.setattr(registry, "RealSysfs", lambda: sysfs)
    with pytest.raises(ClockError, match="cpufreq"):  # it is that board, of a kernel without
        registry.open_board("raspberry-pi-5")
    with pytest.raises(BoardError, match="its device tree says raspberrypi,5-model-b, brcm"):
        registry.open_board("raspberry-pi-4b")


@pytest.mark.parametrize(
    ("compatible", "name"),
    [
        ("raspberrypi,5-model-b\0brcm,bcm2712\0", "raspberry-pi-5"),
        ("raspberrypi,4-model-b\0brcm,bcm2711\0", "raspberry-pi-4b"),
        ("raspberrypi,model-zero-2-w\0brcm,bcm2837\0", "raspberry-pi-zero-2-w"),
        ("raspberrypi,3-model-b-plus\0brcm,bcm2837\0", "raspberry-pi-3b-plus"),
        ("google,imx8mq-phanbell\0fsl,imx8mq\0", "coral-dev-board"),
        ("some,board\0some,chip\0", "host"),
    ],
)
def test_a_board_is_detected_by_its_device_tree(tmp_path: Path, compatible: str, name: str) -> None:
    assert registry.detect_board(device_tree(tmp_path, compatible)) == name


def test_without_a_device_tree_this_is_the_host() -> None:
    assert registry.detect_board(NO_SYSFS) == "host"


def test_a_microcontroller_is_not_opened_here() -> None:
    with pytest.raises(BoardError, match="over a serial line: edge-infer device status"):
        registry.open_board("stm32l4r5")
