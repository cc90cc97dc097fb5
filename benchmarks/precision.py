"""What OpenVINO's bfloat16 and `--runtime int8` differ by from float32, in values of 8 bits.

    python benchmarks/precision.py [--runtime openvino int8] [--weights NAME ...] [--sigmas 0 10 25 50 100]

For every bundled denoiser that the runtime may compute so (or those named): photographs with Gaussian
noise, cleaned by it and by ONNX Runtime in float32, which is the reference. OpenVINO needs a processor with
bfloat16; elsewhere it computes in float32.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import skimage.data

from denoise_cli.models.registry import DENOISERS
from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.runtimes.load import PhotoDenoiser, load_photo_denoiser
from denoise_cli.weights.header import read_header, read_steps
from denoise_cli.weights.store import list_bundled

ALLOWED: dict[str, Callable[[Path], bool]] = {
    "openvino": lambda path: DENOISERS[read_header(path).name].bfloat16,
    "int8": lambda path: bool(read_steps(path)),
}


def main() -> None:
    """Print a line per network and level of noise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", nargs="*", choices=list(ALLOWED), default=list(ALLOWED))
    parser.add_argument("--weights", nargs="*")
    parser.add_argument("--sigmas", nargs="*", type=float, default=[0, 10, 25, 50, 100], help="of 255")
    args = parser.parse_args()
    for runtime in args.runtime:
        allowed = [bundled.name for bundled in list_bundled() if ALLOWED[runtime](bundled.path)]
        for name in args.weights or allowed:
            exact = load_photo_denoiser(name, runtime="onnx")
            ours = load_photo_denoiser(name, runtime=runtime)
            for sigma in args.sigmas:
                print(f"{name:12} sigma {sigma:4g}", compare(ours, exact, list(photos(sigma))), flush=True)


def compare(ours: PhotoDenoiser, exact: PhotoDenoiser, windows: Sequence[Array]) -> str:
    """The largest difference and how many are above 1, of 8-bit values; seconds of each per megapixel."""
    results, seconds = [], []
    for denoiser in (ours, exact):
        start = time.process_time()
        pictures = [denoiser.runtime.run(window, None) for window in windows]
        seconds.append(time.process_time() - start)
        results.append(np.concatenate([np.rint(picture * 255).ravel() for picture in pictures]))
    steps = np.abs(results[0] - results[1])
    ours_per_mp, exact_per_mp = (3e6 * each / steps.size for each in seconds)
    times = f"{ours_per_mp:.3f} s/MP ({exact.runtime.name}: {exact_per_mp:.3f})"
    return (
        f"{ours.runtime.name}: largest {steps.max():.0f}, above 1 {(steps > 1).sum()} of {steps.size}, "
        f"different {(steps > 0).mean():.2%}, {times}"
    )


def photos(sigma: float) -> Iterator[Array]:
    """Four photographs (1, 3, H, W) with noise, clipped; sides multiples of 8."""
    generator = np.random.default_rng(0)
    for name in ("astronaut", "coffee", "rocket", "retina"):
        clean = getattr(skimage.data, name)()
        height, width = (side // 8 * 8 for side in clean.shape[:2])
        clean = clean[:height, :width, :3].transpose(2, 0, 1)[None]
        noisy = clean + generator.normal(0, sigma, clean.shape)
        yield (noisy / 255).clip(0, 1).astype(np.float32)


if __name__ == "__main__":
    main()
