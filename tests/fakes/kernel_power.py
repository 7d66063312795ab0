"""Sysfs folders of the kernel's own INA219 drivers, as plain files; and a firmware that answers."""

from collections.abc import Mapping
from pathlib import Path

from edge_infer.boards.errors import BusError

HWMON_FILES = {
    "name": "ina219",
    "in0_input": "50",
    "in1_input": "5000",
    "curr1_input": "500",
    "power1_input": "2500000",
    "shunt_resistor": "100000",
}
"""0.5 A at 5 V over 0.1 ohm."""
IIO_FILES = {
    "name": "ina219",
    "in_voltage0_raw": "5000",
    "in_voltage0_scale": "0.010000000",
    "in_voltage0_integration_time": "0.000532",
    "in_voltage1_raw": "1250",
    "in_voltage1_scale": "4.000000000",
    "in_shunt_resistor": "0.100000000",
}
"""The same."""
PMIC_ANSWER = """\
     3V7_WL_SW_A current(0)=0.10000000A
   3V3_SYS_A current(1)=0.20000000A
   VDD_CORE_A current(7)=1.50000000A
     3V7_WL_SW_V volt(8)=3.70000000V
   3V3_SYS_V volt(9)=3.30000000V
   VDD_CORE_V volt(15)=0.80000000V
   EXT5V_V volt(24)=5.10000000V
   BATT_V volt(25)=0.00390000V
"""
"""Three rails of 0.37, 0.66 and 1.2 W, and two without a current."""


def make_device(root: Path, folder: str, files: Mapping[str, str]) -> Path:
    """Make a device's folder below a sysfs root; return it."""
    place = root / folder
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / name).write_text(f"{text}\n")
    return place


class AnsweringFirmware:
    """Gives one answer to everything, and may break."""

    def __init__(self, answer: str = PMIC_ANSWER) -> None:
        self.answer = answer
        self.broken = False
        self.asked: list[str] = []

    def ask(self, command: str) -> str:
        """Return the answer. Raises BusError when broken."""
        self.asked.append(command)
        if self.broken:
            raise BusError("the firmware is silent")
        return self.answer


INA228_FILES = {
    "name": "ina228",
    "in0_input": "5",
    "in1_input": "5000",
    "curr1_input": "500",
    "power1_input": "2500400",
    "energy1_input": "123456789",
}
"""0.50008 A at 5 V over 10 mohm, which its driver does not tell."""
INA260_FILES = {
    "name": "ina260",
    "in1_input": "5000",
    "curr1_input": "500",
    "power1_input": "2500000",
    "update_interval": "35",
}
"""0.5 A at 5 V; no shunt_resistor: it lies inside."""
INA3221_FILES = {
    "name": "ina3221",
    "in1_label": "VDD_IN",
    "in2_label": "VDD_CPU_GPU_CV",
    "in3_label": "VDD_SOC",
    "in1_input": "5000",
    "in2_input": "4980",
    "in3_input": "4990",
    "curr1_input": "500",
    "curr2_input": "100",
    "curr3_input": "50",
    "shunt1_resistor": "5000",
    "shunt2_resistor": "5000",
    "shunt3_resistor": "5000",
    "in1_enable": "1",
    "in2_enable": "1",
    "in3_enable": "1",
    "update_interval": "7",
}
"""A Jetson's three supplies; the first is the board's."""
