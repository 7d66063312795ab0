"""Frames of a video file, through ffmpeg: every one of them, as fast as they are taken."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_infer.boards.closing import Closing
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError, SourceError
from edge_infer.runtime.frames.frame_child import (
    FrameChild,
    FrameProgram,
    Select,
    ending,
    select_ready,
)
from edge_infer.runtime.frames.source import RawFrame, input_document

PATIENCE_S = 60.0
"""Without a byte for so long, ffmpeg hangs: a slow board may decode a large picture for seconds."""


class VideoSource(Closing):
    """Frames of a file; each pass starts ffmpeg anew.

    Args:
        path: of the file.
        program: ffmpeg on it.
        spec: what the bundle takes.
        strict: raise at the first place that ffmpeg cannot decode.
        select: waits for the child's pipes.
    """

    repeatable = True

    def __init__(
        self,
        path: Path,
        program: FrameProgram,
        spec: FrameSpec,
        *,
        strict: bool = False,
        select: Select = select_ready,
    ) -> None:
        self.name, self._program, self._spec = str(path), program, spec
        self._strict, self._select = strict, select
        self.skipped: list[str] = []
        self._said: list[str] = []
        self._cut = 0
        self.child: FrameChild | None = None

    def __iter__(self) -> Iterator[RawFrame]:
        self.close()
        self._said, self._cut = [], 0
        self.child = child = FrameChild(self._program, self._select)
        index = 0
        try:
            while (content := child.read(PATIENCE_S)) is not None:
                if self._strict and child.said:
                    raise InputError(f"{self.name}: near frame {index}: {child.said[0]}")
                name = f"frame {index}"
                data = self._program.to_frame(content).astype(self._spec.dtype, copy=False)
                yield RawFrame(self._spec.check(data, name), None, name)
                index += 1
            self._check_end(child, index)
        finally:
            child.close()

    def warnings(self) -> list[str]:
        """See Source."""
        if not self._said:
            return []
        more = " (and more)" if len(self._said) > 1 else ""
        return [
            f"{self.name}: is damaged or cut off, ffmpeg said: {self._said[0]}{more}; frames near "
            "such places may be wrong, and frames may be missing"
        ]

    def document(self) -> dict[str, Any]:
        """See Source."""
        done, left_out = dict(self._program.done), Counter({"frames cut off": self._cut})
        if self._said:
            done["damaged or cut off, as ffmpeg says"] = None
        return input_document("video", self.name, done, +left_out)

    def close(self) -> None:
        """End ffmpeg. May be called twice."""
        if self.child is not None:
            self.child.close()
            self.child = None

    def _check_end(self, child: FrameChild, frames: int) -> None:
        """Look at how ffmpeg ended.

        Raises:
            InputError: there was no frame, or with `strict` any complaint.
            SourceError: it ended early.
        """
        code = child.end()
        self._cut = int(child.cut_bytes > 0)
        if not frames:
            raise InputError(f"{self.name}: no frame: {ending(self._program, child, code)}")
        if code:
            raise SourceError(
                f"{self.name}: after {frames} frames {ending(self._program, child, code)}"
            )
        self._said = child.said
        if self._strict and (self._said or self._cut):
            raise InputError(f"{self.name}: after {frames} frames {'; '.join(self._said[:1])}")
