"""How a long job of the laboratory tells how far it is: a sentence at a time, to whoever asked."""

from collections.abc import Callable

Progress = Callable[[str], None]
"""Takes one sentence, without a newline at its end."""


def silent(sentence: str) -> None:
    """Progress that nobody reads."""
