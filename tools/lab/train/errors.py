"""What can be wrong with a recipe or its data: one line each, with what to try."""

from edge_infer.runtime.errors import InputError, RunError, SourceMissingError


class TrainError(RunError):
    """The recipe or the data cannot be used."""


class DataError(TrainError, InputError):
    """The data cannot be read."""


class UnknownRecipeError(TrainError, SourceMissingError):
    """No recipe of that name."""
