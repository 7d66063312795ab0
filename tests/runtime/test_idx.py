import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from edge_infer.runtime.errors import SourceError, SourceMissingError
from edge_infer.runtime.frames.idx import parse_idx, read_idx

Array = NDArray[Any]

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx_bytes(array: Array, code: int) -> bytes:
    big = array.astype(array.dtype.newbyteorder(">"))
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + big.tobytes()


@pytest.mark.parametrize("kind", CODES)
@given(data=st.data())
def test_reads_what_the_format_says(kind: str, data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5))
    array = data.draw(hnp.arrays(kind, shape))
    read = parse_idx(idx_bytes(array, CODES[kind]), "x")
    assert read.dtype == np.dtype(kind)
    assert read.shape == array.shape
    assert read.tobytes() == array.tobytes()


@given(st.binary(max_size=64))
def test_any_bytes_give_an_array_or_our_error(content: bytes) -> None:
    try:
        parse_idx(content, "x")
    except SourceError as error:
        assert str(error).startswith("x: ")


@given(st.integers(0, 22))
def test_a_cut_file_is_refused_with_both_sizes(kept: int) -> None:
    content = idx_bytes(np.arange(7, dtype=np.uint8).reshape(7, 1), 8) + b""
    with pytest.raises(SourceError, match=r"not an IDX|header|bytes where"):
        parse_idx(content[: min(kept, len(content) - 1)], "x")


def test_gzip_is_read_and_a_torn_gzip_refused(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    packed = gzip.compress(idx_bytes(array, 8))
    path = tmp_path / "x-idx2-ubyte.gz"
    path.write_bytes(packed)
    assert np.array_equal(read_idx(path), array)
    path.write_bytes(packed[:-9])
    with pytest.raises(SourceError, match="cannot be read"):
        read_idx(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match=r"there is no input .*nothing"):
        read_idx(tmp_path / "nothing")
