"""Tiles agree with the whole photo."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from denoise_cli import denoise
from denoise_cli.errors import UsageError
from denoise_cli.models.registry import DENOISERS
from denoise_cli.noise.apply import add_test_noise
from denoise_cli.noise.spec import parse_noise
from denoise_cli.photo.denoise_array import ArrayRows
from denoise_cli.photo.denoise_rows import plan_for
from denoise_cli.photo.first_look import take_first_look
from denoise_cli.photo.pixels.fade import fade, limits_of
from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.runtimes.base import WindowTooLargeError
from denoise_cli.photo.runtimes.load import load_photo_denoiser
from denoise_cli.photo.tiling.plan import exact_halo, plan_squares, plan_windows, round_up, split_axis
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.store import Bundled, list_bundled
from tests.conftest import Weights

SIZES = st.integers(1, 700)


@given(
    size=st.integers(1, 3000),
    count=st.integers(1, 9),
    multiple=st.sampled_from([1, 8, 16]),
    halo=st.integers(0, 130),
)
def test_spans_cover_and_keep_their_halo(size: int, count: int, multiple: int, halo: int) -> None:
    size += -size % multiple
    spans = split_axis(size, count, multiple, halo)
    assert spans[0].keep_start == 0
    assert spans[-1].keep_stop == size
    assert len({span.stop - span.start for span in spans}) == 1
    for span in spans:
        assert span.start % multiple == span.stop % multiple == 0
        assert 0 <= span.start <= span.keep_start < span.keep_stop <= span.stop <= size
        assert span.start == 0 or span.keep_start - span.start >= halo
        assert span.stop == size or span.stop - span.keep_stop >= halo
    for left, right in pairwise(spans):
        assert left.keep_stop == right.keep_start


@given(height=SIZES, width=SIZES, halo=st.sampled_from([6, 64]), limit=st.sampled_from([40_000, 90_000]))
def test_plans_keep_to_the_limit(height: int, width: int, halo: int, limit: int) -> None:
    plan = plan_windows(height, width, multiple=16, halo=halo, limit=limit)
    assert plan.rows[0].stop * plan.columns[0].stop <= limit
    assert plan.height == height + -height % 16
    assert plan.width == width + -width % 16


def test_a_side_without_room_is_refused() -> None:
    with pytest.raises(UsageError, match="too small"):
        plan_squares(1000, 1000, multiple=16, halo=64, side=128)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(DENOISERS))
@settings(max_examples=4, deadline=None)
@given(height=st.integers(1, 320), width=st.integers(1, 320), seed=st.integers(0, 99))
def test_exact_tiles_equal_the_model_on_the_whole_photo(
    name: str, height: int, width: int, seed: int, weights: Weights
) -> None:
    path = weights(name, True)
    photo = np.random.default_rng(seed).random((height, width, 3), np.float32)
    denoiser = load_photo_denoiser(weights=path, runtime="onnx")
    least = 2 * exact_halo(denoiser.info) + denoiser.info.size_multiple
    denoiser.runtime.window = least**2
    with torch.inference_mode():
        whole = load_weights(path)[1](torch.from_numpy(photo).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    noise = take_first_look(ArrayRows(photo), None).noise_seen
    removed = fade((photo - whole.numpy()).transpose(2, 0, 1), limits_of(noise, DENOISERS[name]), 1, 1)
    expected = (photo - removed.transpose(1, 2, 0)).clip(0, 1)
    assert np.abs(denoise(photo, denoiser, tile="exact") - expected).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("bundled", list_bundled(), ids=lambda bundled: bundled.path.stem)
@settings(max_examples=8, deadline=None)
@given(
    height=st.integers(60, 160),
    width=st.integers(600, 900),
    noise=st.sampled_from(["basic", "intense", "gaussian:0.05", "gaussian:0"]),
    upright=st.booleans(),
)
def test_tiles_of_bundled_weights_agree_with_the_whole_photo(
    bundled: Bundled, height: int, width: int, noise: str, upright: bool
) -> None:
    picture = np.tile(skimage.data.astronaut()[200 : 200 + height], (1, 2, 1))[:, :width]
    picture = picture.swapaxes(0, 1) if upright else picture
    clean = torch.from_numpy(picture / np.float32(255)).permute(2, 0, 1)[None]
    noisy = add_test_noise(clean, parse_noise(noise), [0], 0)[0].permute(1, 2, 0).numpy()
    denoiser = load_photo_denoiser(weights=bundled.path, runtime="onnx")
    whole = denoise(noisy, denoiser)
    side = 2 * denoiser.info.halo + 64
    denoiser.runtime.window = side * round_up(min(picture.shape[:2]), denoiser.info.size_multiple)
    plan = plan_for(denoiser, picture.shape[0], picture.shape[1], "auto")
    assert len(plan.rows) * len(plan.columns) > 1
    assert np.abs(denoise(noisy, denoiser) - whole).max() <= 1 / 255


def test_halves_when_the_device_runs_out_of_memory(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    denoiser = load_photo_denoiser(weights=weights("cnn_unet", True), runtime="onnx")
    photo = np.random.default_rng(0).integers(0, 256, (500, 700, 3), np.uint8)
    expected = denoise(photo, denoiser, tile="exact")
    run, refused = denoiser.runtime.run, list[tuple[int, ...]]()

    def short_of_memory(window: Array, guidance: Array | None) -> Array:
        if window.shape[2] * window.shape[3] > 150_000:
            refused.append(window.shape)
            raise WindowTooLargeError
        return run(window, guidance)

    monkeypatch.setattr(denoiser.runtime, "run", short_of_memory)
    result = denoise(photo, denoiser, tile="exact")
    assert len(refused) == 2  # 350 k pixels, then its halves; later windows fit at once
    assert np.abs(result.astype(int) - expected).max() <= 1
