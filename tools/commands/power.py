"""`edge-infer power`: watch, record, report and calibrate power meters."""

import click

from edge_infer.commands.lazy_group import LazyGroup

COMMANDS = {
    "monitor": (".power_meter", "monitor_command", "Show the power now, line by line."),
    "record": (".power_meter", "record_command", "Write every sample to a CSV file."),
    "report": (".power_report", "report_command", "Sum up a recorded file: joules, watts, gaps."),
    "calibrate": (
        ".power_calibrate",
        "calibrate_command",
        "Correct a meter by two known loads.",
    ),
    "stream": (
        ".power_stream",
        "power_stream_command",
        "Read a device's power log over a serial line.",
    ),
}
"""Name -> module, object, one line of help."""


@click.group("power", cls=LazyGroup, table=COMMANDS)
def power_group() -> None:
    """Watch, record, report and calibrate power meters."""
