"""What inputs came to, a line each: for people."""

from collections.abc import Sequence
from typing import Any

from edge_infer.commands.quantities import energy_text, share_text, time_text
from edge_infer.commands.render import show, table
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.row import answer_document
from edge_infer.runtime.sinks.sink import Sink

_WIDEST_LABEL = 24
"""Of a line that is printed before the next one is known."""


def answers_table(answers: Sequence[dict[str, Any]]) -> str:
    """Return entries of `answers` of `run --json` as a table."""
    rows = [_cells(answer) for answer in answers]
    heading = ["input", "answer", _confidence_name(answers), "exit", "time", "net energy"]
    if any(answer["true_label"] is not None for answer in answers):
        heading.append("label")
        for row, answer in zip(rows, answers, strict=True):
            row.append(_verdict(answer))
    if any(len(answer["top"]) > 1 for answer in answers):
        heading.append("next")
        for row, answer in zip(rows, answers, strict=True):
            row.append(_next(answer))
    return table(rows, heading)


class AnswerLines(Sink):
    """Prints a line for each record as it comes.

    Args:
        reader: of the bundle.
        exit_names: of the bundle.
    """

    name = "answers"
    shows = True

    def __init__(self, reader: AnswerReader, exit_names: Sequence[str]) -> None:
        self._reader, self._exit_names = reader, exit_names
        self._lines: list[str] = []

    def write(self, record: InferenceRecord) -> None:
        """Take one record."""
        answer = answer_document(record, self._reader, self._exit_names[record.exit])
        name, label, *rest = _cells(answer)
        kind = (answer["confidence_kind"] or "").ljust(len("probability"))
        cells = [name, label.ljust(_WIDEST_LABEL), kind, *rest]
        cells += [_verdict(answer)] if answer["true_label"] is not None else []
        cells += [_next(answer)] if len(answer["top"]) > 1 else []
        self._lines.append("  ".join(cells))

    def flush(self) -> None:
        """Print what waits."""
        if self._lines:
            show("\n".join(self._lines))
            self.delivered += len(self._lines)
            self._lines.clear()

    def close(self) -> None:
        """Standard output stays open."""


def _cells(answer: dict[str, Any]) -> list[str]:
    return [
        answer["name"] or f"#{answer['number']}",
        answer["label"],
        _confidence(answer),
        answer["exit"],
        time_text(answer["time_us"]),
        energy_text(answer["net_uj"]),
    ]


def _confidence_name(answers: Sequence[dict[str, Any]]) -> str:
    kinds = {answer["confidence_kind"] for answer in answers} - {None}
    return kinds.pop() if len(kinds) == 1 else "confidence"


def _confidence(answer: dict[str, Any]) -> str:
    return confidence_text(answer["confidence"], answer["confidence_kind"])


def confidence_text(confidence: float | None, kind: str | None) -> str:
    """Return a probability as per cent; a score, which is none, as a number."""
    if confidence is None:
        return "-"
    return share_text(confidence) if kind == "probability" else f"{confidence:.3f}"


def _verdict(answer: dict[str, Any]) -> str:
    """Return the true class, where it is another."""
    true = answer["true_label"]
    return "-" if true is None else "right" if true == answer["label"] else f"is {true}"


def _next(answer: dict[str, Any]) -> str:
    kind = answer["confidence_kind"]
    return ", ".join(
        f"{choice['label']} {confidence_text(choice['confidence'], kind)}"
        for choice in answer["top"][1:]
    )
