"""IDX files, the format of MNIST: a magic number, the sizes, the values.

Format as its authors describe it (Y. LeCun, C. Cortes, C. Burges, "The MNIST database"): two zero
bytes, a type code, the number of dimensions, each size as a big-endian 32-bit integer.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.errors import InputError, SourceMissingError

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> NDArray[Any]:
    """Read an IDX file, gzipped or not.

    Returns:
        The array, in native byte order.

    Raises:
        SourceMissingError: there is no such file.
        InputError: it is not an IDX file, or is shorter or longer than its header says.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise SourceMissingError(f"there is no input {path}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    return parse_idx(content, str(path))


def parse_idx(content: bytes, name: str) -> NDArray[Any]:
    """Parse the bytes of an IDX file. Raises InputError as `read_idx` does."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _DTYPES:
        raise InputError(f"{name}: not an IDX file (it begins {content[:4].hex(' ') or 'empty'})")
    rank = content[3]
    start = 4 + 4 * rank
    if len(content) < start:
        raise InputError(f"{name}: an IDX file cut off in its header")
    shape = struct.unpack_from(f">{rank}I", content, 4)
    dtype = np.dtype(_DTYPES[content[2]])
    wanted = start + dtype.itemsize * math.prod(shape)
    if len(content) != wanted:
        raise InputError(
            f"{name}: {len(content)} bytes where its header {list(shape)} asks for {wanted}"
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))
