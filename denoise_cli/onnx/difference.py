"""How near an exported network comes to the one that PyTorch runs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from denoise_cli.onnx.runtime import ort

# Whole, one that must be padded, and one that is smaller than a network needs.
_SIZES = ((96, 96), (75, 61), (7, 5))
_SIGMA = 0.1


def difference_from_torch(weights: Path, model: bytes) -> float | None:
    """The largest difference of any value, on three noisy photographs of public domain.

    Args:
        weights: Of the network.
        model: The network as ONNX, from `image` to `denoised`.

    Returns:
        On the scale of [0, 1]; None where PyTorch is not installed.
    """
    if find_spec("torch") is None:
        return None
    import torch

    from denoise_cli.data.load import load_dataset
    from denoise_cli.weights.files import load_weights

    network = load_weights(weights)[1].eval()
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    source = load_dataset("sample", "test", limit=len(_SIZES))
    noise = np.random.default_rng(0)
    largest = 0.0
    for index, (height, width) in enumerate(_SIZES):
        clean = source.image(index)[None, :, :height, :width].numpy().astype(np.float32) / 255
        noisy = (clean + noise.normal(0, _SIGMA, clean.shape)).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(noisy)).numpy()
        (found,) = session.run(None, {"image": noisy})
        largest = max(largest, float(np.abs(found - expected).max()))
    return largest
