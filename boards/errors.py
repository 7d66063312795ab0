"""What can go wrong with a board, by who is at fault."""


class BoardError(Exception):
    """A board cannot do what was asked of it. The message says what to try."""


class UnknownBoardError(BoardError, LookupError):
    """No profile has the name that was asked for."""


class NotSimulatedError(UnknownBoardError):
    """A board that is not simulated was asked for what only a simulated one can be."""


class ProfileError(BoardError, ValueError):
    """A board profile is not usable: a key is missing, unknown or of the wrong kind."""


class BusError(BoardError, OSError):
    """An I2C transaction failed after its bounded retries."""


class ClockError(BoardError):
    """A clock cannot be read or set: not offered, no permission, or gone."""


class MeterError(BoardError):
    """A power meter is absent, or its readings cannot be used."""


class TraceError(MeterError):
    """A power trace cannot be read as it was asked: an option, a column or a file is wanting."""


class DamagedTraceError(TraceError):
    """A power trace cannot be right: cut, with gaps, out of order, of another unit."""


class GpioError(BoardError):
    """A GPIO line cannot be driven: absent, taken, or not permitted."""
