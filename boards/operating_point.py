"""An operating point: the settings that decide how fast and at what power a stage runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class OperatingPoint:
    """One setting of the knobs a board offers; the key of a cost table row."""

    clock_khz: int
    """Processor clock in kHz, as cpufreq lists it; 0 where the clock cannot be known."""
    threads: int = 1
    """Threads the interpreter uses, 1 or more."""
    level: str = ""
    """Performance level of an accelerator ("max", "high", ...); empty where there is none."""

    def __str__(self) -> str:
        text = f"{self.clock_khz / 1000:g} MHz"
        if self.threads != 1:
            text += f" x {self.threads}"
        return f"{text} {self.level}" if self.level else text
