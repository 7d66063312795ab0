"""What can go wrong in a run, by who is at fault."""


class RunError(Exception):
    """A run cannot go on. The message says what happened and what to try."""


class PolicyError(RunError, ValueError):
    """A policy is unknown, or asks for what the board does not offer."""


class SourceError(RunError):
    """An input cannot be read as frames."""


class SourceMissingError(SourceError, FileNotFoundError):
    """The path of an input does not exist."""


class InputError(SourceError, ValueError):
    """An input is not what it was given as, or lacks what must be stated about it."""
