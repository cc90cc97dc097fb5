"""`denoise` in Python: what it takes, and the errors that its documentation names for the rest."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from denoise_cli import denoise
from denoise_cli.errors import UsageError
from denoise_cli.photo.runtimes.load import PhotoDenoiser, load_photo_denoiser
from tests.conftest import Weights


@pytest.fixture(scope="module")
def cae(weights: Weights) -> PhotoDenoiser:
    return load_photo_denoiser(weights=weights("cae", True), runtime="onnx")


PHOTO = np.random.default_rng(0).integers(0, 256, (33, 40, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "how"),
    [
        (torch.zeros(3, 8, 8), "permute"),
        (torch.zeros(8, 8, dtype=torch.uint8), "permute"),
        (Image.new("P", (8, 8)), "numpy.asarray"),
        ([[0.5] * 8] * 8, "numpy.asarray"),
        ("photo.png", "load the file"),
        (Path("photo.png"), "load the file"),
        (b"bytes", "numpy.asarray"),
        (None, "numpy.asarray"),
        (0.5, "numpy.asarray"),
    ],
)
def test_what_is_no_array_is_refused_with_the_way_to_one(
    image: Any, how: str, identity: PhotoDenoiser
) -> None:
    with pytest.raises(TypeError, match="image must be a NumPy array, not") as caught:
        denoise(image, identity)
    assert how in str(caught.value)


@pytest.mark.parametrize("name", ["strength", "luma", "chroma"])
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf"), "1", None, 1j])
def test_shares_are_numbers_from_0_to_1(name: str, value: Any, identity: PhotoDenoiser) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a number from 0 to 1"):
        denoise(PHOTO, identity, **{name: value})


def test_numbers_of_any_kind_are_shares_and_tiles(cae: PhotoDenoiser) -> None:
    half: Any = np.float32(0.5)
    assert (denoise(PHOTO, cae, strength=half) == denoise(PHOTO, cae, strength=0.5)).all()
    assert (denoise(PHOTO, cae, luma=1, chroma=True) == denoise(PHOTO, cae)).all()
    assert (denoise(PHOTO, cae, tile=512) == denoise(PHOTO, cae, tile="512")).all()
    for tile in (3, "none", -1):
        with pytest.raises(UsageError, match="tile"):
            denoise(PHOTO, cae, tile=tile)


def test_a_model_is_a_denoiser_or_a_name() -> None:
    for model in (Path("w.safetensors"), 3, torch.nn.Identity()):
        with pytest.raises(TypeError, match="load_model"):
            denoise(PHOTO, model)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="Unknown"):
        denoise(PHOTO, "unett")


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4", ">f8", "<f2", "u1"])
def test_byte_order_and_layout_change_nothing(dtype: str, cae: PhotoDenoiser) -> None:
    kind = np.dtype(dtype)
    scale = {"f": 1 / 255, "u": 257.0 if kind.itemsize == 2 else 1}[kind.kind]
    image = (PHOTO * scale).astype(kind)
    native = np.ascontiguousarray(image).astype(kind.newbyteorder("="))
    expected = denoise(native, cae)
    assert expected.std() > 0
    wide = np.zeros((66, 80, 6), kind)
    wide[::2, ::2, ::2] = image
    flipped = np.asarray(image[::-1, ::-1, ::-1].copy())[::-1, ::-1, ::-1]
    read_only = image.copy()
    read_only.flags.writeable = False
    for same in (image, wide[::2, ::2, ::2], flipped, read_only, np.asfortranarray(image)):
        before = same.copy()
        result = denoise(same, cae)
        assert result.dtype == same.dtype
        assert np.array_equal(result, expected)
        assert np.array_equal(before, same) and not np.shares_memory(result, same)


def test_other_arrays_are_refused(identity: PhotoDenoiser) -> None:
    for image, reason in (
        (np.zeros((3, 8, 9), np.uint8), "the last axis, not 9"),
        (np.zeros((8, 8), ">i2"), "not >i2"),
        (np.zeros((8, 8), bool), "not bool"),
        (np.zeros((8, 8), object), "not object"),
        (np.zeros((8, 8), complex), "not complex"),
        (np.array("text"), "shape"),
        (np.full((8, 8), -200.0), "from -200 to -200"),
        (np.full((8, 8), np.inf), "infinity"),
    ):
        with pytest.raises(ValueError, match="image must") as caught:
            denoise(image, identity)
        assert reason in str(caught.value)


def test_a_denoiser_pickles_or_says_why_not(cae: PhotoDenoiser, identity: PhotoDenoiser) -> None:
    expected = denoise(PHOTO, cae)
    for same in (pickle.loads(pickle.dumps(cae)), copy.deepcopy(cae)):
        assert same.runtime is not cae.runtime
        assert same.runtime.name == cae.runtime.name
        assert (denoise(PHOTO, same) == expected).all()
    with pytest.raises(TypeError, match="runs on identity cannot be pickled"):
        pickle.dumps(identity)
