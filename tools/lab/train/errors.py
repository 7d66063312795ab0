"""What can be wrong with a recipe or its data: one line each, with what to try."""

from edge_infer.runtime.errors import RunError, SourceMissingError


class TrainError(RunError):
    """The recipe or the data cannot be used."""


class UnknownRecipeError(TrainError, SourceMissingError):
    """No recipe of that name."""
