"""What can be wrong with a recipe or its data: one line each, with what to try."""

import click


class TrainError(click.ClickException):
    """The recipe or the data cannot be used."""


class UnknownRecipeError(TrainError):
    """No recipe of that name."""

    exit_code = 2
