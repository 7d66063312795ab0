"""`run --live`: the run on a terminal, four times a second, in 80 columns and 24 rows.

Drawn by the sink's own thread on standard error; NO_COLOR is honoured, and a terminal that is not
in UTF-8 gets ASCII. What else is printed meanwhile stands above it.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edge_infer.boards.power import PowerSample
from edge_infer.commands.answer_lines import confidence_text
from edge_infer.commands.live_figures import LiveFigures
from edge_infer.commands.quantities import energy_text, share_text, time_text
from edge_infer.commands.render import printable
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.sink import RunState, Sink

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

EVERY_S = 0.25
WIDTH = 80
BLOCKS, BAR, ASCII_BLOCKS, ASCII_BAR = " ▁▂▃▄▅▆▇█", "█", " .:-=+*#@", "#"
_BAR_CELLS = 30


class LiveView(Sink):
    """Shows where a run stands.

    Args:
        title: what runs where.
        reader: of the bundle.
        figures: what is shown, collected here.
        console: where to draw; standard error if None.
        clock_s: real time.
    """

    name = "live view"  # it keeps nothing, but what it costs is told
    keeps_all = False
    patience_s = 2.0
    wants_power = wants_state = True

    def __init__(
        self,
        title: str,
        reader: AnswerReader,
        figures: LiveFigures,
        console: "Console | None" = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        from rich.console import Console  # few runs are watched
        from rich.live import Live

        self._title, self._reader, self._figures = title, reader, figures
        self._console = console or Console(stderr=True)
        self._clock_s, self._drawn_s = clock_s, -EVERY_S
        # Rows for a file or a pipe must not end up on the terminal.
        self._live = Live(
            console=self._console, auto_refresh=False, redirect_stdout=sys.stdout.isatty()
        )
        self._live.start()

    def write(self, record: InferenceRecord) -> None:
        """Take one record."""
        self._figures.write(record)
        self.delivered += 1

    def sampled(self, samples: Sequence[PowerSample]) -> None:
        """Take the meter's samples."""
        self._figures.sampled(samples)

    def observe(self, state: RunState) -> None:
        """Take the state of the run."""
        self._figures.observe(state)

    def flush(self) -> None:
        """Draw, where the last picture is old enough."""
        if self._clock_s() - self._drawn_s >= EVERY_S:
            self._draw()

    def close(self) -> None:
        """Draw a last time, and give the terminal back."""
        self._draw()
        self._live.stop()

    def _draw(self) -> None:
        self._drawn_s = self._clock_s()
        plain = not self._console.encoding.lower().startswith("utf")
        self._live.update(
            live_picture(self._title, self._reader, self._figures, plain), refresh=True
        )


def live_picture(
    title: str, reader: AnswerReader, figures: LiveFigures, plain: bool
) -> "RenderableType":
    """Return the picture: at most `WIDTH` columns; `plain` for ASCII alone."""
    from rich import box
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    blocks, bar = (ASCII_BLOCKS, ASCII_BAR) if plain else (BLOCKS, BAR)
    parts: list[RenderableType] = [
        *_answer(reader, figures, bar),
        Text(),
        _strip_line("power", figures.power_w.means(), blocks, lambda watts: f"{watts:.3g} W"),
        _strip_line("latency", figures.latency_us.means(), blocks, time_text),
        Text(),
        *_exits(figures, bar),
        Text(),
        *(_line(text) for text in _sums(figures)),
    ]
    return Panel(
        Group(*parts),
        title=Text(printable(title)),
        title_align="left",
        box=box.ASCII if plain else box.ROUNDED,
        width=WIDTH,
    )


def sparkline(values: Sequence[float | None], blocks: str) -> str:
    """Return one glyph a value, from the least to the greatest; a blank for None."""
    known = [value for value in values if value is not None]
    if not known:
        return blocks[0] * len(values)
    least, span, steps = min(known), max(known) - min(known), len(blocks) - 2
    return "".join(
        blocks[0]
        if value is None
        else blocks[1 + (round((value - least) / span * steps) if span else steps // 2)]
        for value in values
    )


def _answer(reader: AnswerReader, figures: LiveFigures, bar: str) -> "list[RenderableType]":
    from rich.text import Text

    if figures.now is None:
        return [Text("no answer yet"), Text()]
    record = figures.now
    answer = reader.read(record)
    first = Text(no_wrap=True, overflow="ellipsis")
    first.append(printable(answer.label), style="bold green")
    first.append(f"  {confidence_text(answer.confidence, answer.kind)} {answer.kind or ''}")
    first.append(f"  {figures.exit_names[record.exit]}  {printable(record.name)}", style="dim")
    cells = round((answer.confidence or 0) * _BAR_CELLS)
    return [first, Text(bar * cells, style="green")]


def _strip_line(
    name: str,
    values: Sequence[float | None],
    blocks: str,
    text: Callable[[float], str],
) -> "RenderableType":
    """Return a name, the last minute, the newest value."""
    known = [value for value in values if value is not None]
    newest = text(known[-1]) if known else "-"
    return _line(f"{name:<8}{sparkline(values, blocks)} {newest}")


def _exits(figures: LiveFigures, bar: str) -> "list[RenderableType]":
    total = figures.answers
    width = max(map(len, figures.exit_names))
    shown = list(zip(figures.exit_names, figures.exits, strict=True))[:8]
    return [
        _line(
            f"{name:<{width}} {share_text(count / total if total else None):>7} "
            f"{bar * round(_BAR_CELLS * count / total) if total else ''}"
        )
        for name, count in shown
    ]


def _sums(figures: LiveFigures) -> list[str]:
    state, rate = figures.state, figures.latency_us.rate_hz()
    clock = f"{state.clock_khz / 1000:g} MHz" if state and state.clock_khz else "-"
    celsius = state.millicelsius if state else None
    joules, hours = figures.joules, figures.hours_left
    lines = [
        f"clock {clock}   temperature {'-' if celsius is None else f'{celsius / 1000:.1f} degC'}"
        f"{'   THROTTLED' if state and state.throttled else ''}",
        f"answers {figures.answers}   {'-' if rate is None else f'{rate:.3g}'} a second   "
        f"missed {figures.misses}   dropped {state.dropped_frames if state else 0}",
        f"energy {energy_text(None if joules is None else joules * 1e6)}",
    ]
    if figures.battery_mwh is not None:
        lines[-1] += f"   battery {'-' if hours is None else f'{hours:.3g} h'} left"
    return lines


def _line(text: str) -> "RenderableType":
    from rich.text import Text

    return Text(text, no_wrap=True, overflow="ellipsis")
