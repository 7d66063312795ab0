"""What `run` would refuse once systemd has started it is refused before it is installed."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from edge_infer.boards.closing import Closing
from edge_infer.boards.profile import load_profile
from edge_infer.boards.registry import AUTO, SIMULATED, check_ideal
from edge_infer.commands.budget_options import budget_uw
from edge_infer.commands.marker import REMOTE
from edge_infer.commands.run_engine import NEAREST
from edge_infer.commands.run_options import RunPolicy
from edge_infer.commands.sink_options import STANDARD_OUTPUT, SinkOptions
from edge_infer.commands.source_options import STANDARD_INPUT, SourceOptions, open_input
from edge_infer.commands.steady_options import SteadyOptions
from edge_infer.models_tflite import Bundle

Record = TypeVar("Record", SinkOptions, SourceOptions, SteadyOptions)


def check_options(
    bundle: Bundle,
    source: str | None,
    given: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    here: bool,
) -> None:
    """Check the options of run.

    Args:
        bundle: that it runs.
        source: its input.
        given: what was typed, by parameter.
        options: their values, defaults too.
        here: the service is for this computer, which has its camera and programs.

    Raises:
        click.UsageError: there is no input, or not one for a service.
        BoardError, BundleError, RunError: as run.
    """
    if source is None:
        raise click.UsageError("a service needs an input that goes on: --source camera")
    if source == STANDARD_INPUT:
        raise click.UsageError("a service has no standard input; give it a --source: camera")
    _of(SinkOptions, options).refuse_mixed_output(False)
    _check_rows(options["output"])
    _of(SteadyOptions, options).check(bundle)
    _check_policy(given, options)
    _check_places(bundle, options)
    _check_network(options)
    if here:
        with ExitStack() as stack:
            opened = open_input(bundle, source, _of(SourceOptions, options), options["rate"])
            if isinstance(opened, Closing):
                stack.enter_context(opened)


def _of(record: type[Record], options: Mapping[str, Any]) -> Record:
    names = [field.name for field in fields(record) if field.name in options]
    return record(**{name: options[name] for name in names})


def _check_rows(paths: Iterable[Path]) -> None:
    for path in paths:
        if str(path) != STANDARD_OUTPUT and path.suffix not in (".jsonl", ".csv"):
            raise click.UsageError(f"-o {path}: rows are written as .jsonl or .csv; name it so")


def _check_policy(given: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    budget = budget_uw(options["power_budget"], options["battery"], options["hours"])
    bounds = options["target"], options["misses"], options["loss"]
    RunPolicy(options["policy"], *bounds, budget, options["cost_table"]).refuse(given)


def _check_places(bundle: Bundle, options: Mapping[str, Any]) -> None:
    board, ratio = options["board"], options["ratio"]
    check_ideal(board, options["ideal"])
    if board != AUTO and not board.startswith(REMOTE):
        load_profile(board.removeprefix(SIMULATED))
    if not ratio.startswith(NEAREST):
        bundle.manifest.stages_at(ratio)


def _check_network(options: Mapping[str, Any]) -> None:
    if options["mqtt"] is not None:
        from edge_infer.runtime.sinks.mqtt_address import mqtt_address

        mqtt_address(options["mqtt"], None, options["mqtt_ca"])
    if options["prometheus"] is not None:
        from edge_infer.runtime.sinks.prometheus import scrape_address

        scrape_address(options["prometheus"])
