"""edge-infer: quantised TFLite models that adapt, on small boards, for the fewest joules.

The public Python API; the same parts carry the `edge-infer` command.
"""

from boards import open_board
from models_tflite import open_bundle
from runtime import Engine, Frame, InferenceRecord

__all__ = ["open_bundle", "open_board", "Engine", "Frame", "InferenceRecord"]
