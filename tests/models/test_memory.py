"""The memory that the registry says a window needs, against what a process takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from denoise_cli.models.info import ModelInfo
from denoise_cli.models.registry import DENOISERS
from denoise_cli.weights.store import find_bundled

SIDE = 512
# Without torch; the growth of the largest resident size, as the system counts it for this program alone
# (that of `getrusage` begins with its parent's).
PROGRAM = """
import re, sys
from pathlib import Path
import numpy as np
from denoise_cli.photo.runtimes.load import load_photo_denoiser
runtime = load_photo_denoiser(weights=sys.argv[1], runtime="onnx").runtime
side, guided = int(sys.argv[2]), sys.argv[3] == "True"
guidance = np.zeros((1, 32, side // 8, side // 8), np.float32) if guided else None

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before = peak()
window = np.random.default_rng(0).random((1, 3, side, side), np.float32)
for _ in range(2):
    runtime.run(window, guidance)
print((peak() - before) * 1024 / side**2)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.parametrize("info", [DENOISERS[name] for name in DENOISERS.own], ids=lambda info: info.name)
def test_a_window_takes_about_what_the_registry_says(info: ModelInfo) -> None:
    weights = find_bundled(info.name, info.batch_norm)
    arguments = [str(weights), str(SIDE), str(info.classifier is not None)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    assert 0.6 < float(done.stdout) / info.bytes_per_pixel < 1.5
