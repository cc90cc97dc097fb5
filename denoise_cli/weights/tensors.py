"""The tensors of a weight file for numpy; imports no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """All tensors of a weight file, as float32."""
    return {name: value.astype(np.float32, copy=False) for name, value in load_file(path).items()}
