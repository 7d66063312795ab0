"""Log entries as lines: CSV with a column for everything, JSON objects."""

import json
from typing import Any

from edge_infer.boards.power import PowerSample
from edge_infer.firmware_bridge.wire.log_batch import LogEntry

COLUMNS = (
    "entry",
    "kind",
    "t_mono_ns",
    "t_host_ns",
    "seq",
    "interval_ns",
    "bus_mv",
    "current_ua",
    "power_uw",
    "flags",
    "value",
)
"""entry is the number in the log, t_mono_ns the device's monotonic time, t_host_ns the host's."""
CSV_HEADER = ",".join(COLUMNS)


def entry_fields(number: int, entry: LogEntry, host_ns: int | None = None) -> dict[str, Any]:
    """Return an entry as a flat object, with the host's time for it where one is known.

    Columns that do not apply are missing.
    """
    fields: dict[str, Any] = {"entry": number, "t_mono_ns": entry.timestamp_ns}
    if host_ns is not None:
        fields["t_host_ns"] = host_ns
    if not isinstance(entry, PowerSample):
        return fields | {"kind": entry.mark.name.lower(), "value": entry.value}
    return fields | {
        "kind": "power",
        "seq": entry.seq,
        "interval_ns": entry.interval_ns,
        "bus_mv": entry.bus_mv,
        "current_ua": entry.current_ua,
        "power_uw": entry.power_uw,
        "flags": int(entry.flags),
    }


def gap_fields(first: int, lost: int) -> dict[str, Any]:
    """Return the object for `lost` entries that were overwritten before entry number `first`."""
    return {"entry": first - lost, "kind": "gap", "value": lost}


def boot_fields(base: int, boot: int | None) -> dict[str, Any]:
    """Return the object that says: number 0 of this boot of the device is number `base` here."""
    fields = {"entry": base, "kind": "boot"}
    return fields if boot is None else fields | {"value": boot}


def csv_line(fields: dict[str, Any]) -> str:
    """Return an object as a line of CSV under `CSV_HEADER`."""
    return ",".join(str(fields.get(column, "")) for column in COLUMNS)


def json_line(fields: dict[str, Any]) -> str:
    """Return an object as a line of JSON."""
    return json.dumps(fields)
