"""Options that say where answers go, and the sinks that they come to."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from edge_infer.commands.answer_lines import AnswerLines
from edge_infer.commands.options import option, options_as
from edge_infer.commands.progress import Bar, RunProgress, can_draw
from edge_infer.commands.render import emit, say, warn
from edge_infer.commands.run_loop import RunEnd
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.manifest import Manifest
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.frames.source import Source
from edge_infer.runtime.sinks.row_files import STANDARD_OUTPUT, FileSink, StandardOutputSink
from edge_infer.runtime.sinks.sink import MissingPlaceError, Sink
from edge_infer.runtime.sinks.sink_set import SinkSet
from edge_infer.runtime.sinks.sink_thread import SinkThread, reason_of


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


@dataclass(frozen=True)
class RunNames:
    """What a sink says of the run beside its records."""

    manifest: Manifest
    board: str
    policy: str
    battery_mwh: int | None = None
    frames: int | None = None
    """How many there will be, None where nobody knows."""

    @property
    def exits(self) -> tuple[str, ...]:
        """Of the bundle."""
        return tuple(stage.name for stage in self.manifest.stages)

    @property
    def title(self) -> str:
        """What runs where."""
        return f"{self.manifest.name} on {self.board}, policy {self.policy}"


def open_sinks(
    options: SinkOptions,
    reader: AnswerReader,
    end: RunEnd,
    names: RunNames,
    *,
    lines: bool,
    frames_wait: bool,
) -> SinkSet:
    """Open all sinks, each with its thread.

    Args:
        options: which ones.
        reader: of the bundle.
        end: of the run: told when nobody reads standard output any more.
        names: of the run.
        lines: print a line for each answer.
        frames_wait: True where a frame loses nothing by waiting for a sink.

    Raises:
        RunError: a file's suffix is neither .jsonl nor .csv, or a library is not installed.
        InputError: an address is none.
        OSError: a file cannot be written.
    """

    def failed(sink: Sink, error: Exception) -> None:
        if isinstance(error, BrokenPipeError):
            end.reader_left = True
            end.stop()
        else:
            warn(f"{reason_of(error)}: the run goes on without it")

    missing: list[tuple[str, str]] = []
    with ExitStack() as opening:
        sinks: list[Sink] = []
        for opener in _openers(options, reader, names, lines):
            try:
                sinks.append(opening.enter_context(opener()))
            except MissingPlaceError as error:
                missing.append((error.name, error.reason))
                warn(f"{error}: the run goes on without it")
        opening.pop_all()  # from here on the threads close them
    threads = [
        SinkThread(sink, frames_wait=frames_wait, gives_up=end.is_near, failed=failed)
        for sink in sinks
    ]
    return SinkSet(threads, missing)


def _openers(
    options: SinkOptions, reader: AnswerReader, names: RunNames, lines: bool
) -> Iterator[Callable[[], Sink]]:
    for path in options.output:
        if str(path) == STANDARD_OUTPUT:
            yield lambda: StandardOutputSink(reader)
        else:
            yield partial(FileSink, path, reader)
    if lines:
        yield lambda: AnswerLines(reader, names.exits)
    if options.live:
        yield lambda: _live(reader, names)
    elif can_draw() and not lines and not options.takes_standard_output:
        yield lambda: RunProgress(names.frames, Bar("frames"))
    if options.trace is not None:
        yield lambda: _trace(options.trace, reader, names)
    if options.report_page is not None:
        yield lambda: _report(options.report_page, reader)
    if options.prometheus is not None:
        yield lambda: _prometheus(str(options.prometheus), reader, names)
    if options.mqtt is not None:
        yield lambda: _mqtt(options, reader, names)
    elif options.mqtt_ca or options.mqtt_password_file:
        raise click.UsageError("--mqtt-ca and --mqtt-password-file go with --mqtt mqtt://...")


def _live(reader: AnswerReader, names: RunNames) -> Sink:
    from edge_infer.commands.live_figures import LiveFigures
    from edge_infer.commands.live_view import LiveView

    if not can_draw():
        raise MissingPlaceError("--live", "standard error is no terminal to draw on")
    return LiveView(names.title, reader, LiveFigures(names.exits, names.battery_mwh))


def _trace(path: Path | None, reader: AnswerReader, names: RunNames) -> Sink:
    from edge_infer.runtime.sinks.trace import TraceSink

    assert path is not None
    return TraceSink(path, reader, names.exits, names.title)


def _report(path: Path | None, reader: AnswerReader) -> Sink:
    from edge_infer.commands.report_sink import ReportSink

    assert path is not None
    return ReportSink(path, reader)


def _mqtt(options: SinkOptions, reader: AnswerReader, names: RunNames) -> Sink:
    from edge_infer.runtime.sinks.home_assistant import Device
    from edge_infer.runtime.sinks.mqtt import MqttSink
    from edge_infer.runtime.sinks.mqtt_address import mqtt_address

    file, manifest = options.mqtt_password_file, names.manifest
    password = None if file is None else file.read_text().strip("\r\n")
    address = mqtt_address(str(options.mqtt), password, options.mqtt_ca)
    return MqttSink(address, reader, Device(manifest.name, manifest.version, names.board), warn)


def _prometheus(text: str, reader: AnswerReader, names: RunNames) -> Sink:
    from edge_infer.runtime.sinks.prometheus import PrometheusSink, scrape_address

    manifest = names.manifest
    about = {
        "bundle": manifest.name,
        "version": manifest.version,
        "board": names.board,
        "policy": names.policy,
    }
    return PrometheusSink(scrape_address(text), reader, names.exits, about)
