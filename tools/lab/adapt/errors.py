"""What can go wrong where a net is adapted to pictures."""

from edge_infer.runtime.errors import InputError


class AdaptError(InputError):
    """The pictures or the backbone do not allow it. The message says what is there and to do."""
