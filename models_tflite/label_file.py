"""The labels of a model's classes: read from a file, or from what travels inside a .tflite.

Files come from many tools: with a byte-order mark, in UTF-16, with an index in front of each name,
in another order, as JSON. What is read stands in the order of the scores; what was done to it is
told, and what can be read in two ways is refused.
"""

import codecs
import io
import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_infer.models_tflite.errors import LabelFileError

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte-order marks; that of UTF-16 begins that of UTF-32."""
_INDEXED = re.compile(r"(\d{1,6})(?:\s*[:;,=|\t]\s*|\s+-\s+|\s+|\)\s*|\.\s+)(\S.*)")
_INDEX_LAST = re.compile(r"(.*\S)\s*[:;,=|\t]\s*(\d{1,6})")
_QUOTED = re.compile(r"""(["'])(.+)\1\s*,?""")
_MOSTLY = 0.8
"""Share of lines with an index above which the others are an accident."""
_BACKGROUND = ("background", "???", "__background__", "unused", "_background_")
_HEADINGS = ("label", "labels", "class", "classes", "name", "names")
_LISTS = frozenset({"names", "labels", "classes"})
"""What the list of labels is called in files that hold more."""
_MOST_BYTES = 1 << 24
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class LabelList:
    """Labels in the order of the scores."""

    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What was done to what was read, a sentence each."""


def read_label_file(path: Path) -> LabelList:
    """Read the labels of a file: one a line, perhaps with an index in front, or JSON.

    Raises:
        LabelFileError: it is no text, or can be read in two ways; the message has the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LabelFileError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_labels(content, path.name)


def parse_labels(content: bytes, name: str) -> LabelList:
    """Return the labels that a file holds; `name` is for messages. Raises LabelFileError."""
    if len(content) > _MOST_BYTES:
        raise LabelFileError(f"{name}: {len(content)} bytes are no file of labels")
    text, notes = _decoded(content, name)
    if text.lstrip()[:1] in ("[", "{"):
        labels = _from_json(text, name)
    else:
        labels, more = _from_lines(text, name)
        notes += more
    if len(labels) < 2:
        raise LabelFileError(f"{name}: holds {len(labels)} labels, a classifier has two or more")
    if all("\t" in label for label in labels):
        raise LabelFileError(f"{name}: each line has several columns: give one label a line")
    labels, more = _told_apart(labels)
    return LabelList(tuple(labels), tuple(f"{name}: {note}" for note in (*notes, *more)))


def model_labels(model: bytes, sizes: Iterable[int]) -> LabelList | None:
    """Return the labels inside a .tflite file (TFLite metadata), None where there are none.

    The files of the metadata are a ZIP archive behind the model.

    Args:
        model: content of the file.
        sizes: numbers of scores, one of which they are to fit.

    Raises:
        LabelFileError: there are several that fit and differ.
    """
    texts = _texts_inside(model)
    wanted = {count for size in sizes for count in (size, size - 1)}
    found: dict[tuple[str, ...], LabelList] = {}
    for name, content in texts.items():
        try:
            read = parse_labels(content, f"{name} inside the model")
        except LabelFileError:
            continue  # vocabularies and descriptions travel there too
        if len(read.labels) in wanted:
            found[read.labels] = read
    if len(found) > 1:
        raise LabelFileError(
            f"the model carries {len(found)} lists of labels that fit ({', '.join(texts)}): "
            "choose one with --labels FILE"
        )
    return next(iter(found.values()), None)


def _texts_inside(model: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            return {
                entry.filename: archive.read(entry)
                for entry in archive.infolist()
                if entry.filename.lower().endswith(".txt") and entry.file_size <= _MOST_BYTES
            }
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, ValueError):
        return {}


def _decoded(content: bytes, name: str) -> tuple[str, list[str]]:
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return _checked(content, encoding, name), []
    if b"\0" in content:
        # UTF-16 without its mark: one half of nearly every pair of bytes is 0.
        half = content[1::2].count(0) >= content[0::2].count(0)
        encoding = "utf-16-le" if half else "utf-16-be"
        return _checked(content, encoding, name), [f"read as {encoding.upper()}"]
    try:
        return _checked(content, "utf-8", name), []
    except LabelFileError:
        return _checked(content, "latin-1", name), ["no UTF-8, read as Latin-1"]


def _checked(content: bytes, encoding: str, name: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise LabelFileError(f"{name}: no text in {encoding}: {error.reason}") from None
    if found := _CONTROL.search(text):
        raise LabelFileError(f"{name}: no text: it holds the control character {found[0]!r}")
    return text


def _from_json(text: str, name: str) -> list[str]:
    """Return the labels of a list, of {"0": name} or of {name: 0}; a list of names has the last."""
    wants = 'wants a list of names, {"0": "name"}, {"name": 0} or {"names": list}'
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LabelFileError(f"{name}: not readable as JSON: {error}") from None
    named = [key for key in document if key in _LISTS] if isinstance(document, dict) else []
    if len(named) == 1:
        document = document[named[0]]
    if isinstance(document, dict) and document:
        pairs = list(document.items())
        if all(isinstance(index, int) for _, index in pairs):
            pairs = [(str(index), label) for label, index in pairs]
        if not all(key.isdecimal() for key, _ in pairs):
            raise LabelFileError(f"{name}: {wants}")
        rows = [(int(key), value) for key, value in pairs]
        _check_indices([index for index, _ in rows], name)
        document = [value for _, value in sorted(rows, key=lambda row: row[0])]
    if not isinstance(document, list):
        raise LabelFileError(f"{name}: {wants}")
    labels = [" ".join(row) if _is_texts(row) else row for row in document]
    if not _is_texts(labels):
        raise LabelFileError(f"{name}: {wants}")
    return [str(label).strip() for label in labels]


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _from_lines(text: str, name: str) -> tuple[list[str], list[str]]:
    lines, notes = _bare([line.strip() for line in re.split("\r\n|\n|\r", text)])
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        at = lines.index("") + 1
        raise LabelFileError(
            f"{name}: line {at} is blank with labels below: if a class is missing there, every "
            "later label would be off by one; name it, or take the line out"
        )
    if lines and re.match(r"(item|node)\s*\{", lines[0]):
        raise LabelFileError(f"{name}: a label map in protobuf's text form: give one label a line")
    indexed = _indexed(lines)
    rows = [row for row in indexed if row is not None]
    if not rows or len(rows) < _MOSTLY * len(lines) or not _count_something(rows):
        return [_unquoted(line) for line in lines], notes
    if len(rows) < len(lines):
        at = indexed.index(None)
        raise LabelFileError(
            f"{name}: line {at + 1} ({lines[at]!r}) has no index, {len(rows)} other lines have one"
        )
    indices = [index for index, _ in rows]
    _check_indices(indices, name)
    return [_unquoted(label) for _, label in sorted(rows)], [*notes, *_order_notes(indices)]


def _bare(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return lines without what comes before a list: comments, YAML's key and its dashes."""
    notes = []
    while lines and (lines[0].startswith("# ") or lines[0] in {f"{key}:" for key in _LISTS}):
        notes.append(f"the line {lines.pop(0)!r} in front is left out")
    if lines and all(line.startswith("- ") for line in lines if line):
        lines = [line[2:].strip() for line in lines]
        notes.append("the dashes of a YAML list are left out")
    return lines, notes


def _indexed(lines: Sequence[str]) -> list[tuple[int, str] | None]:
    """Return index and label of each line, None where a line has none; it may stand behind too."""
    front = [_INDEXED.fullmatch(line) for line in lines]
    if any(front):
        return [(int(found[1]), found[2].strip()) if found else None for found in front]
    behind = [_INDEX_LAST.fullmatch(line) for line in lines]
    return [(int(found[2]), found[1].strip()) if found else None for found in behind]


def _unquoted(label: str) -> str:
    found = _QUOTED.fullmatch(label)
    return found[2].strip() if found else label


def _count_something(rows: Sequence[tuple[int, str]]) -> bool:
    """Return whether numbers in front are indices: names begin with numbers too (2 wheels)."""
    indices = [index for index, _ in rows]
    first, different = min(indices), set(indices)
    consecutive = different == set(range(first, first + len(indices)))
    return consecutive or (first <= 1 and len(different) >= _MOSTLY * len(indices))


def _check_indices(indices: Sequence[int], name: str) -> None:
    twice = [index for index, count in Counter(indices).items() if count > 1]
    if twice:
        raise LabelFileError(f"{name}: the index {twice[0]} stands {indices.count(twice[0])} times")
    first, last = min(indices), max(indices)
    if first > 1:
        raise LabelFileError(f"{name}: indices count from {first}: wants 0 or 1 for the first")
    missing = sorted(set(range(first, last + 1)) - set(indices))
    if missing:
        raise LabelFileError(
            f"{name}: indices from {first} to {last} lack {', '.join(map(str, missing[:5]))}"
            f"{', ...' if len(missing) > 5 else ''}: without them every later label is off"
        )


def _order_notes(indices: Sequence[int]) -> list[str]:
    notes = ["the numbers beside the names are read as their indices"]
    if list(indices) != sorted(indices):
        notes = ["the lines are put in the order of the numbers beside them"]
    if min(indices) == 1:
        notes.append("they count from 1: the first is taken for the first label")
    return notes


def _told_apart(labels: Iterable[str]) -> tuple[list[str], list[str]]:
    """Give names that stand several times their index."""
    labels = list(labels)
    counts = Counter(labels)
    twice = [label for label, count in counts.items() if count > 1]
    if not twice:
        return labels, []
    apart = [
        f"{label} ({index})" if counts[label] > 1 else label for index, label in enumerate(labels)
    ]
    if len(set(apart)) < len(apart):
        apart = [f"{label} ({index})" for index, label in enumerate(labels)]
    example = next(name for name, label in zip(apart, labels, strict=True) if label == twice[0])
    shown = ", ".join(map(repr, twice[:3])) + (", ..." if len(twice) > 3 else "")
    return apart, [f"{shown} stands several times, told apart by index: {example!r}"]


def surplus_text(labels: Sequence[str], classes: int) -> str:
    """Return what may be wrong with one label more than there are scores, "" of other numbers."""
    if len(labels) - classes != 1:
        return ""
    if labels[0].lower() in _BACKGROUND:
        return f"; {labels[0]!r} in front has no score here: take that line out"
    if labels[0].lower() in _HEADINGS:
        return f"; {labels[0]!r} in front seems a heading: take that line out"
    return (
        f"; as they are, every label after the line too many would be off by one, the last being "
        f"{labels[-1]!r}: take it out"
    )
