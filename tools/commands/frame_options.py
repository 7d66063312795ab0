"""Options that say how frames enter a model somebody brings along."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click

from edge_infer.commands.options import option
from edge_infer.models_tflite.classifier import FrameOptions

Command = TypeVar("Command", bound=Callable[..., Any])


class Numbers(click.ParamType[tuple[float, ...]]):
    """One number, or one per channel: 127.5 or 123.7,116.3,103.5."""

    name = "x[,y,z]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no number, nor numbers with commas between", param, ctx)


_OPTIONS = (
    option(
        "--mean",
        type=Numbers(),
        help="Subtracted from a frame, in frame units.  [default: pixels enter as they are]",
    ),
    option("--std", type=Numbers(), help="What the difference is divided by."),
    option(
        "--source",
        type=click.Choice(["uint8", "float32"]),
        default="uint8",
        show_default=True,
        help="Type of the frames.",
    ),
    option(
        "--resize",
        type=click.Choice(["none", "bilinear", "nearest"]),
        default="none",
        show_default=True,
        help="How frames of another size are fitted.",
    ),
)


def frame_options(command: Command) -> Command:
    """Add the options; the command gets them as one argument, `frames`."""

    @wraps(command)
    def called(*arguments: Any, **named: Any) -> Any:
        given = {name: named.pop(name) for name in FrameOptions.__dataclass_fields__}
        return command(*arguments, frames=FrameOptions(**given), **named)

    wrapped: Any = called
    for add in reversed(_OPTIONS):
        wrapped = add(wrapped)
    return cast(Command, wrapped)
