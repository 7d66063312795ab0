"""A damaged model may crash a child process, never this one."""

import random

import pytest
from tests.fakes.backends import BACKENDS, open_or_skip
from tests.fakes.tiny_models import ModelBuilder, single_model

from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.errors import ModelError
from edge_infer.models_tflite.probe import probe


def damaged(model: bytes, seed: int, count: int) -> bytes:
    """Change some bytes in the structure, outside the weights."""
    generator = random.Random(seed)
    changed = bytearray(model)
    for _ in range(count):
        changed[generator.randrange(8, len(model))] = generator.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_sound_model_passes(name: str) -> None:
    probe({"net": single_model()}, open_backend(name))


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.99])
def test_a_truncated_model_is_a_named_error(name: str, share: float) -> None:
    model = single_model()
    with pytest.raises(ModelError) as caught:
        probe({"net": model[: int(len(model) * share)]}, open_backend(name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("seed", range(4))
def test_a_corrupted_model_runs_or_is_a_named_error(name: str, seed: int) -> None:
    try:
        probe({"net": damaged(single_model(), seed, 8)}, open_backend(name), timeout_s=10)
    except ModelError as error:
        assert "\n" not in str(error)


@pytest.mark.backend
def test_a_crash_is_told_from_a_refusal() -> None:
    # What tflite-runtime does with the first kilobyte of a model; LiteRT verifies and refuses.
    half = single_model()[:1000]
    runtime = open_or_skip("tflite-runtime")
    with pytest.raises(ModelError, match=r"crashed tflite-runtime 2\.14\.0 \(SIGSEGV\)"):
        probe({"net": half}, runtime)
    with pytest.raises(ModelError, match=r"litert .* refuses the model: .*not a valid Flatbuffer"):
        probe({"net": half}, open_backend("litert"))


def test_a_model_that_loads_and_does_not_run_is_refused() -> None:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1, 4], "float32")
    output = builder.tensor("scores", [1, 4], "float32")
    builder.op("CUSTOM", [frame], [output], custom="edgetpu-custom-op")
    with pytest.raises(ModelError, match="edgetpu-custom-op"):
        probe({"net": builder.build([frame], [output])}, open_backend("litert"))


def test_a_child_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ModelError, match=r"net: hung litert .* for 0\.001 s"):
        probe({"net": single_model()}, open_backend("litert"), timeout_s=0.001)


@pytest.mark.parametrize("name", BACKENDS)
def test_the_one_of_several_that_fails_is_named(name: str) -> None:
    models = {"little": single_model(), "big": single_model()[:1000], "rest": single_model()}
    with pytest.raises(ModelError, match=rf"^big: .*{name}"):
        probe(models, open_backend(name))
