"""`edge-infer power record`: every sample into a CSV file."""

from pathlib import Path

import click

from edge_infer.boards.power_csv import PowerCsvWriter
from edge_infer.commands.exit_codes import INTERRUPTED, OK
from edge_infer.commands.options import option
from edge_infer.commands.power_source import meter_option, open_source, statistics_text
from edge_infer.commands.quantities import Duration
from edge_infer.commands.render import note

BATCH_NS = 200_000_000


@click.command("record", short_help="Write every sample to a CSV file.")
@meter_option
@option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.",
)
@option("--duration", type=Duration(), help="How long, as 30s.  [default: until Ctrl-C]")
@click.pass_context
def record_command(
    ctx: click.Context, meter_text: str | None, output: Path, duration: int | None
) -> None:
    """Write every sample of a meter to a CSV file that `power report` and --meter log: read."""
    code = OK
    with open_source(meter_text) as source:
        try:
            with output.open("w", newline="") as file:
                writer = PowerCsvWriter(file, source.meter)
                try:
                    for batch in source.batches(BATCH_NS, duration):
                        writer.write(batch)
                        note(f"{source.meter.statistics().samples} samples")
                except KeyboardInterrupt:
                    code = INTERRUPTED
                    writer.write(source.meter.drain(source.timebase.now_ns()))
        except OSError as error:
            raise click.FileError(str(output), error.strerror) from error
        click.echo(f"{source.name} ({source.meter.origin}): {statistics_text(source)}", err=True)
    ctx.exit(code)
