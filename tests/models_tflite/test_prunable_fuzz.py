"""Codes come back within their bounds; a damaged file is refused in one line, never cut wrongly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.prunable_nets import depthwise, flattened
from tests.fakes.pruned import rehashed
from tests.fakes.ratio_parameters import random_ratio
from tests.profile import examples

from edge_infer.models_tflite.prunable import PrunableError, PrunableModel, write_prunable
from edge_infer.models_tflite.prunable.coding import (
    GROWTH,
    MOST_BITS,
    growth_table,
    pack_bits,
    scale_codes,
    unpack_bits,
)
from edge_infer.models_tflite.prunable.flat import FlatModel
from edge_infer.models_tflite.prunable.layers import (
    LayerScales,
    Rows,
    decode_layers,
    encode_layer,
    join_layers,
)
from edge_infer.models_tflite.prunable.layout import HASH_BYTES, HASH_OFFSET, METADATA_NAME


@given(
    fields=st.lists(
        st.integers(0, MOST_BITS).flatmap(
            lambda bits: st.tuples(st.lists(st.integers(0, 2**bits - 1), max_size=9), st.just(bits))
        ),
        max_size=6,
    )
)
@settings(max_examples=examples(200))
def test_codes_of_any_width_come_back(fields: list[tuple[list[int], int]]) -> None:
    packed = pack_bits([(np.array(codes, np.int64), bits) for codes, bits in fields])
    widths = np.array([bits for codes, bits in fields for _ in codes], np.uint8)
    found = unpack_bits(np.frombuffer(packed, np.uint8), widths)
    assert found.tolist() == [code for codes, _ in fields for code in codes]
    assert len(packed) == -(-int(widths.sum()) // 8)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20))
@settings(max_examples=examples(200))
def test_a_scale_is_met_within_half_a_step(ratios: list[float]) -> None:
    wanted = np.array(ratios)
    base, codes = scale_codes(wanted)
    found = float(base) * growth_table(12)[codes]
    assert (np.abs(np.log(found / wanted)) <= np.log(GROWTH) / 2 + 1e-6).all()


@given(data=st.data())
@settings(max_examples=examples(100))
def test_a_bias_is_met_within_an_eighth_of_an_output_step(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    full = random.uniform(1e-4, 1e-1, count).astype(np.float32)
    scales = (full * random.uniform(0.3, 3, count)).astype(np.float32)
    source, output = (np.float32(random.uniform(1e-3, 1)) for _ in range(2))
    steps = random.uniform(-500, 500, count)  # of the output
    biases = np.rint(np.clip(steps * output / (source * scales), -(2**31), 2**31 - 1))
    negative = random.random(count) < 0.3
    layer = encode_layer("w", full, scales, biases.astype(np.int32), negative, (source, output))
    codes = join_layers("0.5", (), np.zeros(0, "f4"), np.zeros(0, "i2"), [layer])
    rows = Rows(np.array([count]))
    values = decode_layers(
        codes, LayerScales(full, rows, rows, np.array([source]), np.array([output]))
    )
    assert (values.negative == negative).all()
    real, wanted = values.biases * values.bias_scales, biases * source * scales
    # A unit of the bias is rounded too, and an int32 can be clipped.
    slack = 0.126 * output + source * scales
    assert (np.abs(real - wanted) <= slack)[np.abs(values.biases) < 2**31 - 1].all()


def make(seed: int) -> bytes:
    model = (depthwise if seed else flattened)("int8")
    return write_prunable(model, [random_ratio(model, ratio, seed) for ratio in ("0.75", "0.5")])


FILES = [make(seed) for seed in range(2)]


@given(st.integers(0, 1), st.integers(0, 2**16), st.integers(0, 7))
@settings(max_examples=examples(100))
def test_any_changed_bit_is_noticed(which: int, position: int, bit: int) -> None:
    file = bytearray(FILES[which])
    file[position % len(file)] ^= 1 << bit
    with pytest.raises(PrunableError) as caught:
        PrunableModel.open(bytes(file))
    assert "\n" not in str(caught.value)


@given(st.integers(0, 1), st.integers(0, 2**16))
@settings(max_examples=examples(60))
def test_any_truncation_is_noticed(which: int, length: int) -> None:
    with pytest.raises(PrunableError):
        PrunableModel.open(FILES[which][: length % len(FILES[which])])


@given(st.integers(0, 1), st.integers(0, 2**16), st.integers(0, 255))
@settings(max_examples=examples(400))
def test_a_payload_that_lies_is_refused_or_stays_inside_the_file(
    which: int, position: int, value: int
) -> None:
    file = FILES[which]
    place = FlatModel(file).metadata(METADATA_NAME)
    assert place is not None
    start = HASH_OFFSET + HASH_BYTES
    at = place.at + start + position % (place.length - start)
    changed = rehashed(file[:at] + bytes([value]) + file[at + 1 :])
    try:
        opened = PrunableModel.open(changed)
        cut = [opened.materialise(ratio) for ratio in opened.ratios]
    except PrunableError as error:
        assert "\n" not in str(error)
    else:
        assert {len(model) for model in cut} == {len(file)}


@given(st.binary(max_size=300))
@settings(max_examples=examples(100))
def test_noise_is_no_model(noise: bytes) -> None:
    with pytest.raises(PrunableError):
        PrunableModel.open(noise[:4] + b"TFL3" + noise[4:])
