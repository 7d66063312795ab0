"""Options of commands whose work is cells: who runs them, and where results are kept."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from edge_infer.commands.options import option, options_as
from edge_infer.commands.render import note
from edge_infer.lab.kept_results import KeptResults
from edge_infer.lab.work import CellRunner, Crew, InProcess, Processes


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """Who works."""

    workers: int
    cluster: str | None
    resume: Path | None

    @contextmanager
    def open(self) -> Iterator[CellRunner]:
        """Give out what runs cells; let the workers go at the end.

        Raises:
            click.UsageError: workers here and on a cluster.
            InputError, RunError: as `KeptResults` and `Cluster` do.
        """
        if self.cluster is not None and self.workers > 1:
            raise click.UsageError("--workers are of this computer: leave it out with --cluster")
        with ExitStack() as held:
            kept = None if self.resume is None else held.enter_context(KeptResults(self.resume))
            if kept:
                note(f"{len(kept)} results are there already")
            work = CellRunner(self._crew(), kept, note)
            held.callback(work.close)
            yield work

    def _crew(self) -> Crew:
        if self.cluster is not None:
            from edge_infer.lab.work_cluster import Cluster  # few have one

            return Cluster(self.cluster)
        return Processes(self.workers) if self.workers > 1 else InProcess()


work_options = options_as(
    "work",
    WorkOptions,
    (
        option(
            "--workers",
            type=click.IntRange(1, 256),
            default=1,
            show_default=True,
            help="Processes of this computer that share the work.",
        ),
        option(
            "--cluster",
            metavar="tcp://HOST:PORT",
            help="A Dask scheduler whose workers share the work, instead.",
        ),
        option(
            "--resume",
            type=click.Path(path_type=Path, dir_okay=False),
            help="File that results are kept in as they come; those that are there are not "
            "computed again.",
        ),
    ),
)
"""Of a command whose work is cells; it gets them as the argument `work`."""
