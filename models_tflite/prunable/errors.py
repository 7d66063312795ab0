"""What can go wrong with a prunable file."""

from edge_infer.models_tflite.errors import BundleError, ModelError


class PrunableError(ModelError):
    """A file cannot be pruned: no part for it, a newer version, changed, or not consistent."""


class RatioParametersError(BundleError, ValueError):
    """What is to be written as a ratio does not fit the model."""
