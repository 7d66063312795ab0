"""What interpreters say, as sentences for people."""

import logging

import pytest

from edge_infer.models_tflite.refusals import refusal_reason


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Didn't find op for builtin opcode 'CONV_2D' version '7'. An older version of this "
            "builtin might be supported. Are you using an old TFLite binary with a newer model?\n"
            "Registration failed.\n",
            "no kernel for CONV_2D of version 7: convert the model for an older TensorFlow",
        ),
        (
            "Op builtin_code out of range: 4321. Are you using old TFLite binary?",
            "no builtin operator 4321 is known",
        ),
        (
            "Encountered unresolved custom op: SignalWindow.\nSee instructions: https://... "
            "Node number 0 (SignalWindow) failed to prepare.",
            "no kernel for the custom operator SignalWindow: export with builtin operators only",
        ),
        (
            "Select TensorFlow op(s), included in the given model, is(are) not supported by this "
            "interpreter. Make sure you apply/link the Flex delegate before inference.Node number "
            "3 (FlexErf) failed to prepare.",
            "it needs operators of full TensorFlow: convert with TFLITE_BUILTINS alone",
        ),
        (
            "tensorflow/lite/kernels/reshape.cc:92 num_input_elements != num_output_elements (2 != "
            "0)Node number 30 (RESHAPE) failed to prepare.Node number 30 (RESHAPE) failed to "
            "prepare.",
            "operator 30, RESHAPE, does not fit its tensors (it fails to prepare)",
        ),
        (
            "tflite/core/subgraph.cc:1020 ComputeDepthMultiplier failed",
            "its interpreter cannot run it, -vv logs why",
        ),
        ("The model is not a valid Flatbuffer buffer", "The model is not a valid Flatbuffer"),
    ],
)
def test_the_text_of_an_interpreter_becomes_a_sentence(
    said: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        reason = refusal_reason(ValueError(said))
    assert reason.startswith(told) and "\n" not in reason
    assert "the interpreter says: " in caplog.text  # for those who ask


def test_an_error_without_a_text_is_called_by_its_type() -> None:
    assert refusal_reason(MemoryError()) == "MemoryError"
