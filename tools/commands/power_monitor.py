"""`edge-infer power monitor`: the power now, one line every so often."""

import json
import sys

import click

from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.commands.options import json_option, option
from edge_infer.commands.power_source import meter_option, open_source, statistics_text
from edge_infer.commands.quantities import Duration


@click.command("monitor", short_help="Show the power now, line by line.")
@meter_option
@option("--every", type=Duration(), default="500ms", show_default=True, help="Time of a line.")
@option("--duration", type=Duration(), help="How long, as 30s.  [default: until Ctrl-C]")
@json_option
def monitor_command(
    meter_text: str | None, every: int, duration: int | None, as_json: bool
) -> None:
    """Show mean power, voltage and current of each moment, on one line of a terminal."""
    live = sys.stdout.isatty() and not as_json
    with open_source(meter_text) as source:
        lost = 0
        try:
            for batch in source.batches(every, duration):
                lost_before, lost = lost, source.meter.statistics().lost
                text = json.dumps(_document(batch, lost - lost_before)) if as_json else _line(batch)
                click.echo(f"\r\033[K{text}" if live else text, nl=not live)
        except KeyboardInterrupt:
            pass
        finally:
            if live:
                click.echo()
        click.echo(f"{source.name} ({source.meter.origin}): {statistics_text(source)}", err=True)


def _document(batch: list[PowerSample], lost: int) -> dict[str, int | None]:
    count = len(batch)
    flags = SampleFlag.NONE
    for sample in batch:
        flags |= sample.flags

    def mean(values: list[int]) -> int | None:
        return sum(values) // count if count else None

    return {
        "timestamp_ns": batch[-1].timestamp_ns if batch else None,
        "power_uw": mean([sample.power_uw for sample in batch]),
        "bus_mv": mean([sample.bus_mv for sample in batch]),
        "current_ua": mean([sample.current_ua for sample in batch]),
        "samples": count,
        "lost": lost,
        "flags": int(flags),
    }


def _line(batch: list[PowerSample]) -> str:
    if not batch:
        return "no sample"
    figures = _document(batch, 0)
    least, greatest = (f(s.power_uw for s in batch) / 1e6 for f in (min, max))
    marks = "".join(
        f"  {flag.name}" for flag in SampleFlag if flag in SampleFlag(figures["flags"] or 0)
    )
    return (
        f"{(figures['power_uw'] or 0) / 1e6:7.3f} W  ({least:.3f} to {greatest:.3f})  "
        f"{(figures['bus_mv'] or 0) / 1e3:6.3f} V  {(figures['current_ua'] or 0) / 1e6:7.4f} A  "
        f"{len(batch):4d} samples{marks}"
    )
