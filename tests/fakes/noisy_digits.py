"""Inputs for the digits bundles: their samples with noise, so that none is a sample itself."""

from pathlib import Path

import numpy as np

from edge_infer.models_tflite.bundle import Bundle


def write_noisy_digits(bundle: Bundle, folder: Path, copies: int = 2, seed: int = 4) -> Path:
    """Write an .npz of labelled frames below `folder` and return its path."""
    samples = bundle.samples()
    assert samples is not None
    frames, labels = (np.concatenate([part] * copies) for part in samples)
    noise = np.random.default_rng(seed).integers(-1, 2, frames.shape)
    noisy = np.clip(frames.astype(int) + noise, 0, 16).astype(np.uint8)
    path = folder / "noisy.npz"
    np.savez(path, frames=noisy, labels=labels)
    return path
