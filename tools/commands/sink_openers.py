"""The sinks of a run: opened as the options say, each behind its thread."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from edge_infer.commands.render import end_progress, warn
from edge_infer.commands.run_loop import RunEnd
from edge_infer.commands.sink_options import STANDARD_OUTPUT, SinkOptions
from edge_infer.models_tflite.manifest import Manifest
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.sinks.sink import MissingPlaceError, Sink
from edge_infer.runtime.sinks.sink_set import SinkSet
from edge_infer.runtime.sinks.sink_thread import SinkThread, reason_of


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
        RunError: a library is not installed.
        InputError: an address is none, or a file is neither .jsonl nor .csv.
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
        yield partial(_rows, path, reader)
    if lines:
        yield lambda: _lines(reader, names)
    if options.live:
        yield lambda: _live(reader, names)
    elif sys.stderr.isatty() and not lines and not options.takes_standard_output:
        yield lambda: _progress(names)
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


def _rows(path: Path, reader: AnswerReader) -> Sink:
    from edge_infer.runtime.sinks.row_files import FileSink, StandardOutputSink

    return StandardOutputSink(reader) if str(path) == STANDARD_OUTPUT else FileSink(path, reader)


def _lines(reader: AnswerReader, names: RunNames) -> Sink:
    from edge_infer.commands.answer_lines import AnswerLines

    return AnswerLines(reader, names.exits)


def _progress(names: RunNames) -> Sink:
    from edge_infer.commands.progress import Bar, RunProgress

    return RunProgress(names.frames, Bar("frames"))


def _live(reader: AnswerReader, names: RunNames) -> Sink:
    from edge_infer.commands.live_figures import LiveFigures
    from edge_infer.commands.live_view import LiveView
    from edge_infer.commands.progress import can_draw

    if not can_draw():
        raise MissingPlaceError("--live", "standard error is no terminal to draw on")
    end_progress()
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
    from edge_infer.runtime.sinks.mqtt_address import mqtt_address, read_password

    file, manifest = options.mqtt_password_file, names.manifest
    password = None if file is None else read_password(file)
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
