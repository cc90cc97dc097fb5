"""The memory that the registry says a window needs, against what a process takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from denoise_cli.models.info import ModelInfo
from denoise_cli.models.registry import DENOISERS
from denoise_cli.weights.store import find_bundled

# The larger of two windows needs more by so many bytes a pixel; what a process needs anyway drops out.
SIDES = (384, 768)
# Without torch; the growth of the largest resident size, as the system counts it for this program alone
# (that of `getrusage` begins with its parent's).
PROGRAM = """
import re, sys
from pathlib import Path
import numpy as np
from denoise_cli.photo.runtimes.load import load_photo_denoiser
runtime = load_photo_denoiser(weights=sys.argv[1], runtime="onnx").runtime
guided = sys.argv[2] == "True"

def peak(side):
    guidance = np.zeros((1, 32, side // 8, side // 8), np.float32) if guided else None
    runtime.run(np.random.default_rng(0).random((1, 3, side, side), np.float32), guidance)
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

small, large = map(int, sys.argv[3:])
smaller = peak(small)
print((peak(large) - smaller) / (large**2 - small**2))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.parametrize("info", [DENOISERS[name] for name in DENOISERS.own], ids=lambda info: info.name)
def test_a_window_takes_about_what_the_registry_says(info: ModelInfo) -> None:
    weights = find_bundled(info.name, info.batch_norm)
    arguments = [str(weights), str(info.classifier is not None), *map(str, SIDES)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    assert 0.6 < float(done.stdout) / info.bytes_per_pixel < 1.5
