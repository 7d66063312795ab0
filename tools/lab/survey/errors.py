"""What can end a survey before its end."""

from edge_infer.boards.errors import BoardError
from edge_infer.models_tflite.errors import BundleVerificationError
from edge_infer.runtime.errors import PolicyError


class SurveyError(BoardError):
    """A survey cannot go on. The message says what happened and what to try."""


class SurveyRefusedError(PolicyError):
    """A survey was asked for what it must not, or need not, do: nothing was changed."""


class DamagedSurveyError(BundleVerificationError):
    """A file of state is no survey's, or is damaged."""


class HotError(SurveyError):
    """The board stays hotter than it may."""
