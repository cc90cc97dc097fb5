"""Score a denoiser on images under fixed noise, image by image."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from denoise_cli.data.source import Images
from denoise_cli.distributed import SINGLE_PROCESS, World
from denoise_cli.metrics import WINDOW, paper_psnr, paper_ssim, psnr, ssim
from denoise_cli.noise.apply import add_test_noise
from denoise_cli.noise.spec import NoiseSpec, is_real

TEST_SEED = 0
BATCH = 64
# Values of a first batch below which the set-up of a device and its kernels would show in the time.
_WARM_UP = 4_000_000


@dataclass(frozen=True, slots=True)
class Scores:
    """Per-image scores, in the order of the image source.

    Attributes:
        psnr, ssim: (N,) of the denoised images; float64 on the CPU.
        noisy_psnr, noisy_ssim: (N,) of the noisy images.
        paper_psnr, paper_ssim: Means over batches of 64 by the study's protocol, or None.
        seconds_per_image: Inference alone.
    """

    psnr: Tensor
    ssim: Tensor
    noisy_psnr: Tensor
    noisy_ssim: Tensor
    paper_psnr: float | None
    paper_ssim: float | None
    seconds_per_image: float


@torch.inference_mode()
def score(
    model: nn.Module,
    source: Images,
    noise: Sequence[NoiseSpec],
    *,
    device: torch.device,
    seed: int = TEST_SEED,
    paper_protocol: bool = False,
    grey: bool = False,
    world: World = SINGLE_PROCESS,
    on_images: Callable[[int], None] = lambda count: None,
    logits: Tensor | None = None,
) -> Scores:
    """Denoise every image of `source` in float32 and compare with the clean one.

    Args:
        model: Denoiser on `device`; put in eval mode for the call.
        source: Clean images; each keeps its size.
        noise: Drawn per image from (seed, index) alone.
        paper_protocol: Also compute the study's pooled scores.
        grey: Images and noise are grey, the same in all three channels.
        world: The processes that share the work; all get all scores.
        on_images: Called with the number of images done since the last call.
        logits: (N, K) guidance logits of each image, from `guidance_logits`.
    """
    was_training = model.training
    model.eval()
    rows: dict[str, list[Tensor]] = {"psnr": [], "ssim": [], "noisy_psnr": [], "noisy_ssim": []}
    pooled: list[tuple[float, float]] = []
    order: list[int] = []
    seconds = 0.0
    for indices in list(same_size_batches(source, BATCH))[world.rank :: world.size]:
        clean = torch.stack([source.image(i).cpu() for i in indices]).float().div_(255)
        noisy = noisy_images(source, clean, noise, indices, seed, grey=grey)
        # Convolutions on a CPU are about twice as fast in this layout.
        clean = clean.to(device)
        noisy = noisy.to(device, memory_format=torch.channels_last)
        extra = {} if logits is None else {"logits": logits[indices].to(device)}
        if not order and noisy.numel() < _WARM_UP:
            model(noisy, **extra)
        start = time.perf_counter()
        denoised = model(noisy, **extra).float().clamp(0, 1)
        _wait(device)
        seconds += time.perf_counter() - start
        # The network gets unclipped noise as it is; the noisy image is clipped only for its own scores.
        for prefix, picture in (("", denoised), ("noisy_", noisy.clamp(0, 1))):
            rows[f"{prefix}psnr"].append(psnr(picture, clean))
            rows[f"{prefix}ssim"].append(_ssim_or_nan(picture, clean))
        if paper_protocol:
            pooled.append((float(paper_psnr(denoised, clean)), float(paper_ssim(denoised, clean))))
        order += indices
        on_images(len(indices))
    model.train(was_training)
    columns = {
        name: torch.cat(parts).cpu().double() if parts else torch.empty(0) for name, parts in rows.items()
    }
    shares = world.gather((order, columns, pooled, seconds))
    place = torch.tensor([index for share in shares for index in share[0]]).argsort()
    pooled = [pair for share in shares for pair in share[2]]
    study = torch.tensor(pooled, dtype=torch.float64).mean(0).tolist() if pooled else (None, None)
    return Scores(
        **{name: torch.cat([share[1][name] for share in shares])[place] for name in columns},
        paper_psnr=study[0],
        paper_ssim=study[1],
        seconds_per_image=sum(share[3] for share in shares) / len(source),
    )


def noisy_images(
    source: Images,
    clean: Tensor,
    noise: Sequence[NoiseSpec],
    indices: Sequence[int],
    seed: int,
    *,
    grey: bool = False,
) -> Tensor:
    """Noisy copies of `clean` (B, 3, H, W), the images `indices` of `source`, with their test noise.

    The noise `real` takes the noisy pictures of a paired data set as they are.

    Raises:
        DataError: The noise is `real`, and `source` has no pairs.
    """
    if is_real(noise) and source.noisy is not None:
        return torch.stack([source.noisy.image(i).cpu() for i in indices]).float().div_(255)
    if grey:
        return add_test_noise(clean[:, :1], noise, indices, seed).expand_as(clean)
    return add_test_noise(clean, noise, indices, seed)


def same_size_batches(source: Images, size: int) -> Iterator[list[int]]:
    """Index lists of at most `size` images of one height and width, in order."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, shape in enumerate(source.shapes.tolist()):
        groups.setdefault(tuple(shape), []).append(index)
    for (height, width), members in groups.items():
        # Large images go one by one, so that memory does not grow with the batch.
        count = max(1, min(size, size * 96 * 96 * 4 // (height * width)))
        for start in range(0, len(members), count):
            yield members[start : start + count]


def _ssim_or_nan(x: Tensor, y: Tensor) -> Tensor:
    if min(x.shape[-2:]) < WINDOW:
        return x.new_full((len(x),), float("nan"))
    return ssim(x, y)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
