"""Noise like that of given photos: measured, kept, added."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from denoise_cli.errors import DataError, DenoiseError, UsageError
from denoise_cli.noise.apply import add_noise, add_test_noise
from denoise_cli.noise.like.measure import NoiseMeter
from denoise_cli.noise.like.model import MeasuredNoise, read_noise, to_yaml
from denoise_cli.noise.like.photos import kept_noise, measured_noise
from denoise_cli.noise.spec import canonical_noise, parse_noise, short_name
from tests.conftest import Command

LUMA = np.array([0.299, 0.587, 0.114])
SIDE = 512
Picture = NDArray[np.uint8]


def scene(seed: int) -> NDArray[np.float64]:
    """Smooth parts of many brightnesses beside a textured third, (H, W, 3) of 255."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 60)
    smooth = 40 + 170 * (smooth - smooth.min()) / np.ptp(smooth)
    texture = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.5) * 90
    texture[:, SIDE // 3 :] = 0
    return np.asarray((smooth + texture)[..., None] * (1.0, 0.9, 0.8))


def noise(seed: int) -> NDArray[np.float64]:
    """Of brightness with neighbours alike, of colour in blotches, (H, W, 3)."""
    rng = np.random.default_rng(seed)

    def field(width: float) -> NDArray[np.float64]:
        found: NDArray[np.float64] = gaussian_filter(rng.normal(size=(SIDE, SIDE)), width, mode="wrap")
        return np.asarray(found / found.std())

    colour = np.stack([field(1.5), field(1.5), field(1.5)], -1)
    colour -= (colour @ LUMA)[..., None]
    return np.asarray(4.0 * field(0.6)[..., None] + 2.0 * colour / colour.std())


def photo(seed: int) -> Picture:
    return np.asarray((scene(seed) + noise(seed + 100)).round().clip(0, 255), np.uint8)


def split(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    luma = values @ LUMA
    return luma, values - luma[..., None]


def correlation(values: NDArray[np.float64], lag: int) -> float:
    """Along rows (axis 1)."""
    return float((values[:, lag:] * values[:, :-lag]).mean() / np.square(values).mean())


@pytest.fixture(scope="module")
def measured() -> MeasuredNoise:
    meter = NoiseMeter()
    assert all(meter.add(photo(seed)) for seed in range(3))
    return meter.noise()


def test_what_is_measured_is_the_noise(measured: MeasuredNoise) -> None:
    """In the flat parts of pictures with texture, against the noise itself."""
    luma, chroma = split(noise(100))
    for each in measured.photos:
        assert np.mean(each.luma) == pytest.approx(luma.std(), rel=0.1)
        assert np.mean(each.chroma) == pytest.approx(chroma.std(), rel=0.1)
    for lag in (1, 2, 3):
        assert measured.luma[0][lag] == pytest.approx(correlation(luma, lag), abs=0.06)
        assert measured.luma[lag][0] == pytest.approx(correlation(luma.T, lag), abs=0.06)
        assert measured.chroma[0][lag] == pytest.approx(correlation(chroma, lag), abs=0.06)
    colours = np.array(measured.colours)
    assert np.trace(colours) == pytest.approx(3, abs=0.01)
    assert np.abs(colours @ LUMA).max() < 0.05  # Chroma has no brightness.


def test_what_is_added_is_what_was_measured(measured: MeasuredNoise, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(to_yaml(measured))
    clean = torch.full((4, 3, 256, 256), 0.5)
    specs = parse_noise(f"like:{tmp_path / 'own.yaml'}")
    noisy = add_noise(clean, specs, torch.Generator().manual_seed(0))
    assert torch.equal(noisy, (noisy * 255).round() / 255)
    values = (noisy - clean).mul(255).double().permute(0, 2, 3, 1).numpy()
    pairs = [split(value) for value in values]
    for index, name in enumerate(("luma", "chroma")):
        fields = [pair[index] for pair in pairs]
        levels = [np.mean(getattr(each, name)) for each in measured.photos]
        assert np.mean([field.std() for field in fields]) == pytest.approx(np.mean(levels), rel=0.12)
        for lag in (1, 2, 3):
            found = np.mean([correlation(field, lag) for field in fields])
            assert found == pytest.approx(getattr(measured, name)[0][lag], abs=0.08)


def test_strength_follows_brightness(measured: MeasuredNoise, tmp_path: Path) -> None:
    levels = {"levels": (50.0, 200.0), "luma": (2.0, 8.0), "chroma": (0.5, 0.5)}
    own = MeasuredNoise.model_validate(measured.model_dump() | {"photos": [levels]})
    (tmp_path / "own.yaml").write_text(to_yaml(own))
    found = []
    for brightness in (20, 125, 250 - 30):
        clean = torch.full((1, 3, 128, 128), brightness / 255)
        noisy = add_test_noise(clean, parse_noise(f"like:{tmp_path / 'own.yaml'}"), [0], 0)
        found.append(split((noisy - clean)[0].mul(255).double().permute(1, 2, 0).numpy())[0].std())
    assert found == pytest.approx([2, 5, 8], rel=0.12)


def test_noise_depends_on_the_generator_alone(measured: MeasuredNoise, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(to_yaml(measured))
    x = torch.rand(3, 3, 40, 57, generator=torch.Generator().manual_seed(1))
    specs = parse_noise(f"like:{tmp_path / 'own.yaml'}")
    first, again = (add_noise(x, specs, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, add_noise(x, specs, torch.Generator().manual_seed(6)))
    tiny = add_noise(x[..., :3, :5], specs, torch.Generator().manual_seed(5))
    assert torch.isfinite(tiny).all()


def test_a_file_comes_back_as_it_was(measured: MeasuredNoise, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(to_yaml(measured))
    assert read_noise(tmp_path / "a.yaml") == measured


@pytest.mark.parametrize(
    "change",
    [
        {"photos": []},
        {"format": "other"},
        {"luma": [[1.0]]},
        {"colours": [[1, 2], [3, 4]]},
        {"chroma": [[float("nan")] * 8] * 8},
        {"extra": 1},
        {"photos": [{"levels": [9, 8], "luma": [1, 1], "chroma": [1, 1]}]},
        {"photos": [{"levels": [9], "luma": [1, 1], "chroma": [1]}]},
    ],
)
def test_a_file_of_something_else_is_refused(
    change: dict[str, object], measured: MeasuredNoise, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(measured.model_dump(mode="json") | change))
    with pytest.raises(DenoiseError, match=r"a\.yaml"):
        measured_noise(tmp_path / "a.yaml")


def test_folders_without_noise(tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), "red").save(tmp_path / "drawn.png")
    Image.fromarray(photo(0)[:100, :100]).save(tmp_path / "small.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(DataError, match=r"no photo with flat parts .* \(3 pictures"):
        measured_noise(tmp_path)
    with pytest.raises(DataError, match="There is no"):
        measured_noise(tmp_path / "nowhere")


def test_the_quality_of_jpeg_files_is_read(tmp_path: Path) -> None:
    for quality in (75, 92):
        Image.fromarray(photo(0)).save(tmp_path / "a.jpg", quality=quality)
        assert measured_noise(tmp_path).photos[0].jpeg == pytest.approx(quality, abs=1)
        (tmp_path / "a.jpg").unlink()


def test_names() -> None:
    (spec,) = parse_noise("like:My Photos/")
    assert (spec.kind, spec.photos) == ("like", Path("My Photos"))
    assert canonical_noise({"like:My Photos/": 0.7, "Blind": 0.3}) == "0.7*like:My Photos+0.3*blind"
    assert short_name("0.7*like:a/My Photos+0.3*blind") == "0.7like-My Photos_0.3blind"
    assert short_name("0.7*camera+awgn:0-75") == "0.7camera_awgn0-75"
    with pytest.raises(UsageError, match="names no photos"):
        parse_noise("like:")


def test_a_run_keeps_what_was_measured(denoise: Command, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    Image.fromarray(photo(0)).save(tmp_path / "own" / "a.png")
    common = ["train", "cae", "--dataset", "sample", "--set", "data.limit=8", "--set", "batch_size=2"]
    done = denoise(*common, "--noise", "like:own", "--steps", "1")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "cae-sample-like-own-bn-s0"
    assert read_noise(run / "noise.yaml") == measured_noise(tmp_path / "own")
    before = (run / "noise.yaml").read_bytes()
    (tmp_path / "own" / "a.png").unlink()  # The run does not need the photos any more.
    assert denoise("train", "--resume", str(run), "--steps", "2").returncode == 0
    assert (run / "noise.yaml").read_bytes() == before
    done = denoise(
        "test", "cae", "--weights", str(run), "--dataset", "sample", "--noise", f"like:{run}/noise.yaml"
    )
    assert done.returncode == 0, done.stderr
    refused = denoise(*common, "--noise", "like:nowhere", "--steps", "1")
    assert refused.returncode == 1
    assert "There is no nowhere" in refused.stderr
    assert not (tmp_path / "runs" / "cae-sample-like-nowhere-bn-s0").exists()


def test_one_folder_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="twice"):
        kept_noise("like:a+like:b", tmp_path / "noise.yaml")
