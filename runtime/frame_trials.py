"""Would the frames be answered right in another order of channels, or inverted? Tried on a few."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.stage import LoadedStage, run_stages
from edge_infer.runtime.frames.source import RawFrame
from edge_infer.runtime.label_check import Suggestion

_MOST, _FEWEST = 200, 32
"""Frames that are tried."""
_MOST_READ = 4000
"""Frames that are read for that: folders come class by class, so some of each are wanted."""
_TIME_S = 4.0
"""About how long trying may take: slow nets get fewer frames."""
_ERRORS = 3.0
Change = Callable[[NDArray[Any]], NDArray[Any]]


def better_frames(
    stages: Sequence[LoadedStage], source: Iterable[RawFrame], count: int
) -> Suggestion | None:
    """Return the change of the frames that is clearly better, None if none is.

    Args:
        stages: of the bundle, loaded; all of them run.
        source: labelled frames, from the first.
        count: how many it has.
    """
    read = min(count, _MOST_READ)
    some = islice(source, 0, read, max(1, read // _MOST))
    frames = [raw for raw in some if raw.label is not None][:_MOST]
    if len(frames) < _FEWEST:
        return None
    changes = dict(_changes(frames[0].data, max(raw.data.max() for raw in frames)))
    begin_s = time.monotonic()
    as_is = [_is_right(stages, raw, np.asarray) for raw in frames[:_FEWEST]]
    each_s = (time.monotonic() - begin_s) / _FEWEST
    tried = int(min(_MOST, max(_FEWEST, _TIME_S / (each_s * (len(changes) + 1) + 1e-9))))
    frames = frames[:tried]
    as_is += [_is_right(stages, raw, np.asarray) for raw in frames[_FEWEST:]]
    found = [
        Suggestion("frames", text, sum(right) / len(right))
        for text, change in changes.items()
        if _is_better(right := [_is_right(stages, raw, change) for raw in frames], as_is)
    ]
    return max(found, key=lambda suggestion: suggestion.accuracy, default=None)


def _changes(data: NDArray[Any], peak: Any) -> Sequence[tuple[str, Change]]:
    """Return what may be tried on frames like this one, each with what it means.

    Args:
        data: of one frame.
        peak: largest value of all.
    """
    changes: list[tuple[str, Change]] = []
    if data.ndim == 3 and data.shape[2] == 3:
        changes += [
            (_order_text(order), partial(np.take, indices=order, axis=2))
            for order in permutations(range(3))
            if order != (0, 1, 2)
        ]
    if data.dtype == np.uint8:
        changes.append(("the frames are inverted, black for white", lambda frame: peak - frame))
    if data.ndim == 3:
        changes += [
            ("the frames are mirrored", lambda frame: frame[:, ::-1]),
            ("the frames stand on their heads", lambda frame: frame[::-1, ::-1]),
        ]
    if data.ndim == 3 and data.shape[0] == data.shape[1]:
        changes += [
            ("rows and columns of the frames are exchanged", lambda frame: frame.swapaxes(0, 1)),
            ("the frames are turned to the left", lambda frame: np.rot90(frame, -1)),
            ("the frames are turned to the right", np.rot90),
        ]
    return changes


def _order_text(order: Sequence[int]) -> str:
    wanted = "".join("RGB"[list(order).index(channel)] for channel in range(3))
    return f"the channels of the frames are in the order {wanted} where the net wants RGB"


def last_answer(stages: Sequence[LoadedStage], data: NDArray[Any]) -> int:
    """Return the class that the last of the stages answers to a frame, whatever those before do."""
    *_, scores = run_stages(stages, data)
    return int(scores.argmax())


def _is_right(stages: Sequence[LoadedStage], raw: RawFrame, change: Change) -> bool:
    return bool(last_answer(stages, np.ascontiguousarray(change(raw.data))) == raw.label)


def _is_better(changed: Sequence[bool], as_is: Sequence[bool]) -> bool:
    """Return whether a change wins more frames than it loses, beyond chance."""
    won = sum(new and not old for new, old in zip(changed, as_is, strict=True))
    lost = sum(old and not new for new, old in zip(changed, as_is, strict=True))
    return bool(won - lost > _ERRORS * (won + lost) ** 0.5)
