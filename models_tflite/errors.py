"""What can go wrong with a bundle or a model, by who is at fault."""


class BundleError(Exception):
    """A bundle or model cannot be used. The message is one line and says what to try."""


class BundleNotFoundError(BundleError, FileNotFoundError):
    """No bundle stands at the path, and none of that name ships with the package."""

    def __str__(self) -> str:
        return str(self.args[0])


class BundleEmptyError(BundleError):
    """The bundle folder is empty."""


class BundleVerificationError(BundleError):
    """A bundle is not what its manifest says: truncated, changed, unreadable or unknown."""


class ManifestError(BundleVerificationError, ValueError):
    """The manifest breaks its schema; the message names the key."""


class ModelError(BundleVerificationError):
    """An interpreter cannot load or run the model, or the model is not as the manifest says."""


class ModelNotSupportedError(BundleError, ValueError):
    """The model is sound, but of a kind that no bundle can hold."""


class UnknownRatioError(BundleError, LookupError):
    """A bundle or file has no such pruning ratio; the message lists those that it has."""

    def __str__(self) -> str:
        return str(self.args[0])


class CutError(BundleError, ValueError):
    """A model cannot be cut at the given exits."""


class BackendError(BundleError):
    """An interpreter package is missing or unusable here."""


class UnknownBackendError(BackendError, LookupError):
    """No backend or resolver has the name that was asked for."""

    def __str__(self) -> str:
        return str(self.args[0])


class FrameError(BundleError, ValueError):
    """A frame has the wrong shape or dtype for the bundle."""


class PrunableError(ModelError):
    """A file cannot be pruned: no part for it, a newer version, changed, or not consistent."""


class RatioParametersError(BundleError, ValueError):
    """What is to be written as a ratio does not fit the model."""


class LabelFileError(BundleError):
    """A file of labels that cannot be read, or in two ways."""
