"""A picture of one plot. Needs the `plot` extra."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_infer.runtime.errors import RunError


@contextmanager
def picture(path: Path, width_inches: float, height_inches: float) -> Iterator[Any]:
    """Give out axes to draw on; write the picture once they are drawn.

    Raises:
        RunError: matplotlib is missing, or the file cannot be written.
    """
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        raise RunError("a plot needs matplotlib: pip install 'edge-infer[plot]'") from None
    figure, axes = pyplot.subplots(figsize=(width_inches, height_inches))
    try:
        yield axes
        try:
            figure.savefig(path, dpi=150, bbox_inches="tight")
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be written: {error}") from error
    finally:
        pyplot.close(figure)
