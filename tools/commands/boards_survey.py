"""`edge-infer boards survey`: the first hour on a board, which makes its figures measured ones."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from edge_infer.boards.meter_config import FORMS, parse_meter
from edge_infer.boards.registry import AUTO, SIMULATED
from edge_infer.commands.boards import figure_value
from edge_infer.commands.options import backend_option, json_option, option, resolver_option
from edge_infer.commands.render import emit, note, say, warn
from edge_infer.commands.standard_streams import standard_input
from edge_infer.commands.supported_boards import board_line
from edge_infer.commands.survey_line import line_tests
from edge_infer.files import write_whole
from edge_infer.lab.costs.bundle_measurement import measure_costs
from edge_infer.lab.survey.errors import SurveyError, SurveyRefusedError
from edge_infer.lab.survey.figures import checked_figures
from edge_infer.lab.survey.opening import base_document, open_rig
from edge_infer.lab.survey.outcomes import outcomes
from edge_infer.lab.survey.plan import STEP_NAMES, STEPS, seconds_left, todo
from edge_infer.lab.survey.raw_data import RawData
from edge_infer.lab.survey.results import RAW, TEXT, Results, write_results
from edge_infer.lab.survey.rig import Load, Rig
from edge_infer.lab.survey.safety import alone, reasons_against
from edge_infer.lab.survey.survey_state import STATE_FILE, SurveyState, read_state
from edge_infer.lab.survey.surveying import Progress, mark_skipped, survey
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.backend import open_backend

ROW = "supported_boards_row.md"
BUNDLES = ("digits-early-exit", "cifar10-early-exit", "cifar10-narrow")
"""Whose costs are measured by default; --bundle names others."""


class KnownLoad(click.ParamType[Load]):
    """A known load: 10ohm, 10ohm:0.1%, or what a second meter shows of it: 2.5W."""

    name = "load"
    _form = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*(ohm|W|mW)(?::(\d{1,2}(?:\.\d{1,4})?)%)?")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Load:
        """Return the load; a usage error for one that no meter could be checked with."""
        if isinstance(value, Load):
            return value
        match = self._form.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no known load; write 10ohm, 10ohm:0.1%, or 2.5W", param, ctx)
        number, unit, tolerance = float(match[1]), match[2], float(match[3] or 1) / 100
        power_uw = {"ohm": 25e6 / number if number else 0, "W": 1e6 * number, "mW": 1e3 * number}
        if not 0.1e6 <= power_uw[unit] <= 15e6:
            self.fail(f"{value!r} draws {power_uw[unit] / 1e6:.3g} W at 5 V: a load of 0.1 to 15 W "
                      "shows a meter's gain, 10ohm for example", param, ctx)  # fmt: skip
        ohm = number if unit == "ohm" else None
        return Load(str(value), ohm, None if ohm else power_uw[unit], tolerance)


class Celsius(click.ParamType[int]):
    """A temperature with its unit, as m degC: 80C."""

    name = "temperature"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the temperature; a usage error for one at which no board rests, or lasts."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,3}(?:\.\d)?)\s*C", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no temperature; write it with its unit: 80C", param, ctx)
        if not 40 <= float(match[1]) <= 95:
            self.fail(f"{value!r} is no limit of a board: 40C to 95C", param, ctx)
        return round(1000 * float(match[1]))


@dataclass(frozen=True)
class Given:
    """What the command was asked for."""

    out: Path
    resume: bool
    yes: bool
    anyway: bool
    skip: tuple[str, ...]


@click.command("survey", short_help="Measure a board that nobody measured, in about an hour.")
@option("--board", default=AUTO, show_default=True, help="auto is the board that is there.")
@option("-o", "--output", "out", required=True, type=click.Path(path_type=Path, file_okay=False),
        help="Folder for profile, cost tables, report and raw data.")  # fmt: skip
@option("--resume", is_flag=True, help="Go on with the survey in that folder.")
@option("--load", type=KnownLoad(),
        help="Known load to check the meter: 10ohm, 10ohm:0.1%, or 2.5W.")  # fmt: skip
@option("--stop-at", type=Celsius(), default="80C", show_default=True,
        help="No load above this temperature.")  # fmt: skip
@option("--meter", "meter_text", help=f"{FORMS}.  [default: the meter file's, the kernel's]")
@option("-p", "--port", help="Serial port with a loopback plug, or with a second board behind it.")
@option("-b", "--baud", type=click.IntRange(300, 4_000_000), default=115_200, show_default=True,
        help="Its speed.")  # fmt: skip
@option("--bundle", "bundles", multiple=True, help="Measure the costs of this one; may be "
        f"repeated.  [default: {', '.join(BUNDLES)}]")  # fmt: skip
@option("--skip", type=click.Choice(STEP_NAMES), multiple=True,
        help="Leave a step out; may be repeated.")  # fmt: skip
@option("--yes", is_flag=True, help="Change what has to be changed without asking.")
@option("--anyway", is_flag=True,
        help="Go on on a low battery, a weak supply, or beside another governor.")  # fmt: skip
@backend_option
@resolver_option
@json_option
def survey_command(
    board: str, out: Path, resume: bool, load: Load | None, stop_at: int, meter_text: str | None,
    port: str | None, baud: int, bundles: tuple[str, ...], skip: tuple[str, ...], yes: bool,
    anyway: bool, backend: str | None, resolver: str, as_json: bool,
) -> None:  # fmt: skip
    """Walk through what is untested on a board, measure it, and write its profile.

    May be stopped anywhere and gone on with by --resume. The clock, and nothing else of the
    machine, is changed, and put back at the end, however it comes; voltages, overclocking and
    chips that nobody named are never touched. docs/howto/first-hour.md says what to buy and to
    connect.
    """
    given = Given(out, resume, yes, anyway, skip)
    state = _begun(given, board)
    opened = [open_bundle(name) for name in bundles or BUNDLES]
    kernels = open_backend(backend, resolver)
    meter = None if meter_text is None else parse_meter(meter_text)
    simulated = board.startswith(SIMULATED)
    if simulated and (meter is not None or port is not None):
        raise click.UsageError(
            f"{board} is simulated, its meter too: --meter and --port are of a real board"
        )
    with alone(_made(out), not simulated), open_rig(board, meter, kernels) as rig:
        rig.load, rig.stop_at_millicelsius = load, stop_at
        rig.ask = _ask
        rig.lines = line_tests(port, baud)
        names = {bundle.manifest.name: bundle for bundle in opened}
        rig.bundles = tuple(names)
        rig.measure_bundle = lambda name: measure_costs(
            names[name], kernels, rig.board, (), note
        ).to_json()
        state = _identified(state, rig, board, given)
        _refuse_or_tell(rig, state, given)
        rig.raw = RawData(_made(out / RAW))
        base = base_document(rig.board.profile.name)
        try:
            survey(rig, state, out, skip=skip, told=_told)
        except BaseException:  # whatever ends it, signals too
            say(f"stopped: what was measured so far is kept in {out}, --resume goes on")
            raise
        finally:
            results = write_results(state, out, base)
    _give(state, results, out, as_json)


def _begun(given: Given, board: str) -> SurveyState | None:
    """Return the state that is gone on with, None for a new one. Raises SurveyRefusedError."""
    there = (given.out / STATE_FILE).exists()
    if there and not given.resume:
        raise SurveyRefusedError(
            f"{given.out} holds a survey already: go on with --resume, or choose another folder"
        )
    if given.resume and not there:
        raise SurveyRefusedError(
            f"{given.out} holds no survey to go on with: leave --resume out to begin one"
        )
    if not there:
        return None
    state = read_state(given.out)
    checked_figures(state, str(given.out / STATE_FILE))
    return state


def _identified(state: SurveyState | None, rig: Rig, board: str, given: Given) -> SurveyState:
    """Return the state for this very computer. Raises SurveyRefusedError where it is another's."""
    keys = ("model", "core", "kernel", "firmware", "meter")
    said = rig.runner.identity()
    identity = {"board": board, "cores": rig.cores} | {key: said.get(key) for key in keys}
    if state is None:
        day = time.strftime("%Y-%m-%d", time.gmtime())
        name = rig.board.profile.name
        return SurveyState(name, rig.board.simulated, day, identity)
    odd = [f"{key} was {state.identity.get(key)!r} and is {value!r}"
           for key, value in identity.items() if state.identity.get(key) != value]  # fmt: skip
    if odd:
        raise SurveyRefusedError(
            f"the survey in {given.out} is of another computer or system: {'; '.join(odd)}; "
            "figures of two are not mixed: begin anew in another folder"
        )
    return state


def _refuse_or_tell(rig: Rig, state: SurveyState, given: Given) -> None:
    """Say what will be changed, and ask. Raises SurveyRefusedError."""
    if rig.board.simulated:
        return
    reasons = reasons_against(rig.board.thermometer)
    if reasons and not given.anyway:
        raise SurveyRefusedError(f"{'; '.join(reasons)}. --anyway goes on all the same")
    for reason in reasons:
        warn(reason)
    mark_skipped(rig, state, skip=given.skip)
    changes = dict.fromkeys(
        step.changes for step in STEPS
        if step.changes and step.name not in state.skipped
        and (len(rig.clocks_khz) > 1 or "sets" not in step.changes)
    )  # fmt: skip
    minutes = seconds_left(rig, todo(rig, state)) / 60
    say(f"about {minutes:.0f} minutes on {rig.board.profile.title}; Ctrl-C stops, --resume goes on")
    if not changes or given.yes:
        return
    say("this survey " + "; ".join(changes) + ". All of it is put back.")
    if not _ask("press Enter to go on, Ctrl-C to leave"):
        raise SurveyRefusedError("nobody answered, and nothing was changed: --yes does not ask")


def _ask(text: str) -> bool:
    say(text)
    return bool(standard_input().readline())


def _told(progress: Progress) -> None:
    left = f"{progress.seconds_left / 60:.0f} min left"
    note(f"{progress.done + 1} of {progress.total}: {progress.step}, {progress.unit} ({left})")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _give(state: SurveyState, results: Results, out: Path, as_json: bool) -> None:
    row = f"{board_line(results.profile)}\n"
    write_whole(out / ROW, row)
    told = list(outcomes(state, results.figures))
    files = [str(path) for path in (*results.files, out / ROW)]
    document = _document(state, results, told, files)
    for text in results.lacks:
        warn(f"the profile lacks {text}")
    emit(as_json, document, _text(told, files))
    failed = [outcome.step for outcome in told if outcome.word == "failed"]
    if failed:
        raise SurveyError(
            f"{', '.join(failed)} failed, see {out / TEXT}; the rest stands: --resume tries again"
        )


def _document(
    state: SurveyState, results: Results, told: Sequence[Any], files: Sequence[str]
) -> Mapping[str, Any]:
    profile = results.profile
    return {
        "board": state.board,
        "title": profile.title,
        "simulated": state.simulated,
        "date": state.date,
        "steps": [{"step": o.step, "outcome": o.word, "text": o.text} for o in told],
        "lying_clocks_khz": {str(a): real for a, real in results.figures.lies_khz.items()},
        "figures": [
            {
                "key": key,
                "value": figure_value(profile, key),
                "basis": figure.basis,
                "range": None if figure.low is None else [figure.low, figure.high],
                "method": figure.method,
            }
            for key, figure in profile.figures.items()
        ],
        "lacks": list(results.lacks),
        "files": list(files),
    }


def _text(told: Sequence[Any], files: Sequence[str]) -> str:
    lines = [f"{outcome.word:8}{outcome.title}: {outcome.text}" for outcome in told]
    return "\n".join([*lines, "", "written: " + ", ".join(files)])
