"""Crops against plain numpy, labels, order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from denoise_cli.data.source import ImageSource, centre_cropped, draw_corners, resized
from denoise_cli.errors import DataError


def arrays(*sizes: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def source(images: list[np.ndarray], **fields: object) -> ImageSource:
    return ImageSource.from_arrays("set", images, [f"{i}" for i in range(len(images))], **fields)  # type: ignore[arg-type]


def by_numpy(image: np.ndarray, corner: tuple[int, int], size: int) -> np.ndarray:
    """A crop by slicing, after numpy has continued the picture by reflection."""
    missing = [max(0, size - side) for side in image.shape[:2]]
    mode = ("edge" if 1 in image.shape[:2] else "reflect") if any(missing) else "constant"
    if mode == "edge":
        for axis in (0, 1):
            pad = [(0, 0)] * 3
            pad[axis] = (0, missing[axis])
            image = np.pad(image, pad, mode="edge" if image.shape[axis] == 1 else "reflect")
    else:
        image = np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)], mode=mode)  # type: ignore[call-overload]
    top, left = corner
    return image[top : top + size, left : left + size].transpose(2, 0, 1)


side = st.integers(1, 40)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(side, side), min_size=1, max_size=4), side, st.integers(0, 99))
def test_crops_are_slices_of_reflected_images(sizes: list[tuple[int, int]], size: int, seed: int) -> None:
    images = arrays(*sizes, seed=seed)
    made = source(images)
    indices = torch.randint(len(images), (5,), generator=torch.Generator().manual_seed(seed))
    crops = made.crops(indices, size, torch.Generator().manual_seed(seed))
    corners = draw_corners(made.shapes[indices], size, torch.Generator().manual_seed(seed)).tolist()
    for index, corner, crop in zip(indices.tolist(), corners, crops, strict=True):
        np.testing.assert_array_equal(crop.numpy(), by_numpy(images[index], corner, size))


def test_random_crops_reach_every_place_and_no_farther() -> None:
    made = source(arrays((10, 12)))
    shapes = made.shapes.expand(2000, 2)
    corners = draw_corners(shapes, 9, torch.Generator().manual_seed(0))
    assert sorted(set(map(tuple, corners.tolist()))) == [(r, c) for r in range(2) for c in range(4)]


def test_centre_crops() -> None:
    images = arrays((10, 21), (3, 3))
    crops = source(images).crops(torch.tensor([0]), 4)
    np.testing.assert_array_equal(crops[0].numpy(), images[0][3:7, 8:12].transpose(2, 0, 1))
    cut = centre_cropped(source(images, labels=[1, 0], classes=("a", "b"), groups=[5, 6]), 4)
    assert cut.uniform_size == (4, 4)
    assert cut.labels is not None and cut.labels.tolist() == [1, 0] and cut.classes == ("a", "b")
    assert cut.groups is not None and cut.groups.tolist() == [5, 6]


def test_whole_squares_are_taken_as_they_are() -> None:
    images = arrays((8, 8), (8, 8), (8, 8))
    made = source(images)
    np.testing.assert_array_equal(
        made.crops(torch.tensor([2, 0]), 8, torch.Generator()).numpy(),
        np.stack([images[2], images[0]]).transpose(0, 3, 1, 2),
    )


def test_squares_that_lie_between_others_are_found() -> None:
    images = arrays((4, 8), (8, 8), (8, 8), (4, 8))
    kept = source(images).subset([1, 2])
    np.testing.assert_array_equal(kept.crops(torch.tensor([1]), 8)[0].numpy(), images[2].transpose(2, 0, 1))


def test_images_keep_their_pixels_through_subsets() -> None:
    images = arrays((5, 7), (9, 4), (6, 6))
    made = source(images, labels=[0, 1, 1], classes=("a", "b"))
    for kept in (made, made.subset([2, 0, 1]).subset(torch.tensor([1, 2, 0]))):
        for index, image in enumerate(images):
            np.testing.assert_array_equal(kept.image(index).permute(1, 2, 0).numpy(), image)
    assert made.subset([2, 0]).labels.tolist() == [1, 0]  # type: ignore[union-attr]
    assert made.uniform_size is None and made.subset([1]).uniform_size == (9, 4)


def test_labels_are_renumbered_by_name() -> None:
    made = source(arrays((2, 2), (2, 2)), labels=[0, 1], classes=("cat", "dog"))
    other = made.with_classes(("dog", "horse", "cat"))
    assert other.labels is not None and other.labels.tolist() == [2, 0]
    with pytest.raises(DataError, match="dog"):
        made.with_classes(("cat",))
    with pytest.raises(DataError, match="no class folders"):
        source(arrays((2, 2))).with_classes(("cat",))


def test_a_pass_takes_every_image_once() -> None:
    order = source(arrays(*[(1, 1)] * 9)).pass_order(torch.Generator().manual_seed(1))
    assert sorted(order.tolist()) == list(range(9)) and order.tolist() != list(range(9))


def test_resized_by_the_shorter_side() -> None:
    flat = [np.full((40, 60, 3), 77, np.uint8), np.full((30, 20, 3), 200, np.uint8)]
    made = resized(source(flat, labels=[1, 0], classes=("a", "b")), 10)
    assert made.shapes.tolist() == [[10, 15], [15, 10]]
    assert bool((made.image(0) == 77).all()) and made.labels.tolist() == [1, 0]  # type: ignore[union-attr]


def test_no_images() -> None:
    with pytest.raises(DataError, match="no readable images"):
        source([])
