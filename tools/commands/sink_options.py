"""Options that say where answers go."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from edge_infer.commands.options import option, options_as
from edge_infer.commands.render import emit, note, say
from edge_infer.models_tflite import Bundle
from edge_infer.runtime.frames.source import Source
from edge_infer.runtime.sinks.sink_set import SinkSet

STANDARD_OUTPUT = "-"


@dataclass(frozen=True)
class SinkOptions:
    """Where answers go."""

    output: tuple[Path, ...] = ()
    answers: bool = False
    top: int = 1
    mqtt: str | None = None
    mqtt_password_file: Path | None = None
    mqtt_ca: Path | None = None
    prometheus: str | None = None
    trace: Path | None = None
    report_page: Path | None = None
    live: bool = False

    @property
    def takes_standard_output(self) -> bool:
        """Whether rows go to standard output."""
        return any(str(path) == STANDARD_OUTPUT for path in self.output)

    def refuse_mixed_output(self, as_json: bool) -> None:
        """Refuse two kinds of text in one place. Raises click.UsageError."""
        files = [path for path in (*self.output, self.trace) if path and path.name != "-"]
        places = [os.path.realpath(path) for path in files]
        for path, place in zip(files, places, strict=True):
            if places.count(place) > 1:
                raise click.UsageError(f"{path} is named twice: each sink needs a file of its own")
        if not self.takes_standard_output:
            return
        others = [("--json", as_json), ("--answers", self.answers)]
        if sum(str(path) == STANDARD_OUTPUT for path in self.output) > 1:
            others.append(("-o - a second time", True))
        for name, given in others:
            if given:
                raise click.UsageError(
                    f"-o - and {name} write to standard output both; name a file for one of them"
                )

    def report(self, as_json: bool, document: Mapping[str, Any], text: str) -> None:
        """Print the report of a run; beside rows on standard output it goes to standard error."""
        if self.takes_standard_output:
            say(text)
        else:
            emit(as_json, document, text)

    def write_page(
        self, sinks: SinkSet, bundle: Bundle, source: Source, document: Mapping[str, Any]
    ) -> None:
        """Write the page of --report, if there is anything to tell. Raises OSError."""
        if self.report_page is None or not document["inferences"]:
            return
        from edge_infer.commands.report_sink import write_page

        note(f"writing {self.report_page}")
        write_page(sinks, bundle, source, document)


sink_options = options_as(
    "going",
    SinkOptions,
    (
        option(
            "-o",
            "--output",
            multiple=True,
            type=click.Path(path_type=Path),
            help="Log every inference: .jsonl or .csv, or - for JSON lines on standard output as "
            "they come; may be given several times.",
        ),
        option(
            "--answers",
            is_flag=True,
            help="Print a line for every input.  [default: for up to 20 inputs]",
        ),
        option(
            "--top",
            type=click.IntRange(1, 1000),
            default=1,
            show_default=True,
            help="Labels to name for each input, the likeliest first.",
        ),
        option(
            "--mqtt",
            help="Publish every answer as JSON: mqtt://broker/topic, mqtts:// for TLS. Home "
            "Assistant finds it by itself.",
        ),
        option(
            "--mqtt-password-file",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="File with the password of the user in --mqtt mqtt://user@broker/topic.",
        ),
        option(
            "--mqtt-ca",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="Certificate (PEM) of who signed the broker's.  [default: the system's]",
        ),
        option(
            "--prometheus",
            metavar="[HOST]:PORT",
            help="Serve counts, latencies and energies for Prometheus, as :9099.",
        ),
        option(
            "--trace",
            type=click.Path(path_type=Path),
            help="Write stages, decisions, waits, clock and power as a trace (.json) that "
            "ui.perfetto.dev and chrome://tracing open.",
        ),
        option(
            "--report",
            "report_page",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write a page (.html) of the run: power, latency, energy, clocks, confusion, odd "
            "frames.",
        ),
        option(
            "--live",
            is_flag=True,
            help="Show the run on the terminal: the answer now, the last minute of power and "
            "latency, exits, energy, and what is left of a --battery.",
        ),
    ),
)
"""Of a command that answers frames; it gets them as the argument `going`."""
