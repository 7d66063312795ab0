"""`run --report`: the run at hand is counted as it goes, and becomes a page at its end."""

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from edge_infer.boards.power import PowerSample
from edge_infer.files import write_whole
from edge_infer.lab.report.page import page
from edge_infer.lab.report.pictures import pictures_of
from edge_infer.lab.report.power_line import PowerLine
from edge_infer.lab.report.reported_run import ReportedRun, wanted_frames
from edge_infer.lab.report.run_row import run_row
from edge_infer.lab.report.run_tally import RunTally
from edge_infer.models_tflite import Bundle
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.frames.source import Source
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.row import row_of
from edge_infer.runtime.sinks.sink import Sink
from edge_infer.runtime.sinks.sink_set import SinkSet


class ReportSink(Sink):
    """Counts records and the meter's samples, in bounded memory.

    Args:
        path: of the page, .html.
        reader: of the bundle.

    Raises:
        click.UsageError: the page is named otherwise.
        OSError: its folder is none, or cannot be written to.
    """

    wants_power = True

    def __init__(self, path: Path, reader: AnswerReader) -> None:
        if path.suffix.lower() not in (".html", ".htm"):
            raise click.UsageError(f"{path}: a page is HTML; name it {path.with_suffix('.html')}")
        _check_folder(path)
        self.name = str(path)
        self._reader = reader
        self.path, self.tally = path, RunTally()
        self.power = PowerLine("the meter", "unknown")

    def write(self, record: InferenceRecord) -> None:
        """Count one record."""
        self.tally.add(run_row(row_of(record, self._reader)))
        self.delivered += 1

    def sampled(self, samples: Sequence[PowerSample]) -> None:
        """Count samples."""
        self.power.add(samples)

    def close(self) -> None:
        """The page is written when all is known."""


def _check_folder(path: Path) -> None:
    """Say before the run that the page could not be written after it. Raises OSError."""
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "its folder is not there", str(path))
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, "its folder cannot be written to", str(path))


def write_page(sinks: SinkSet, bundle: Bundle, source: Source, document: Mapping[str, Any]) -> None:
    """Write the page of a run that is over. Raises OSError.

    Args:
        sinks: of the run.
        bundle: what ran.
        source: what it read; thumbnails are taken from it anew.
        document: of `run --json`.
    """
    counted = [one.sink for one in sinks.threads if isinstance(one.sink, ReportSink)]
    for sink in counted:
        if sink.tally.all.count:
            write_whole(sink.path, page([_reported(sink, bundle, source, document)]))


def _reported(
    sink: ReportSink, bundle: Bundle, source: Source, document: Mapping[str, Any]
) -> ReportedRun:
    tally, power = sink.tally, sink.power
    run = ReportedRun("this run", tally, bundle=bundle, document=document)
    run.pictures = pictures_of(wanted_frames(tally), source, bundle.manifest.labels)
    if power.span_ns is not None:
        power.origin = "simulated" if document["simulated"] else "measured"
        run.power = power
    lost = document["inferences"] - tally.all.count
    if lost:
        run.notes.append(f"{lost} of {document['inferences']} inferences are not in this page")
    return run
