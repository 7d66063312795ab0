"""The interpreter contract: the part of `Interpreter` that both packages share and we use."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray


class Interpreter(Protocol):
    """A loaded model with its tensors allocated."""

    def set_tensor(self, tensor_index: int, value: NDArray[Any]) -> None:
        """Copy an array of the tensor's exact shape and dtype in."""
        ...

    def invoke(self) -> None:
        """Run the model."""
        ...

    def get_tensor(self, tensor_index: int) -> NDArray[Any]:
        """Return a copy of a tensor."""
        ...

    def get_input_details(self) -> Sequence[Mapping[str, Any]]:
        """Return index, shape, dtype and quantisation of each input, in graph order."""
        ...

    def get_output_details(self) -> Sequence[Mapping[str, Any]]:
        """Return index, shape, dtype and quantisation of each output, in graph order."""
        ...

    def reset_all_variables(self) -> None:
        """Put every variable tensor back to zero."""
        ...
