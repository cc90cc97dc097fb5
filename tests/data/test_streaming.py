"""Images on the disk give what images in memory give."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from denoise_cli.data.folder import load_folder
from denoise_cli.data.source import ImageSource, centre_cropped, resized
from denoise_cli.data.streaming import VIEWS, StreamedSource
from denoise_cli.errors import DataError, ImageError

SIZES = [(40, 60), (64, 48), (20, 90), (50, 50), (33, 47), (1, 30)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number, size in enumerate(SIZES):
        place = tmp_path / ("cat" if number < 3 else "dog")
        place.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        # Every kind of file: lossy, turned, grey.
        image = Image.fromarray(pixels if number != 4 else pixels[..., 0])
        exif = Image.Exif()
        exif[0x0112] = 8 if number == 1 else 1
        image.save(place / f"{number}.{'jpg' if number % 2 else 'png'}", exif=exif)
    return tmp_path


def cut_off(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])


def streamed(folder: Path, max_bytes: int = 0) -> StreamedSource:
    source = load_folder(folder, "train", max_bytes=max_bytes)
    assert isinstance(source, StreamedSource)
    return source


def test_crops_equal_those_from_memory(folder: Path) -> None:
    source, memory = streamed(folder), load_folder(folder, "train")
    assert isinstance(memory, ImageSource)
    assert source.names == memory.names and source.classes == memory.classes
    assert torch.equal(source.shapes, memory.shapes)
    assert torch.equal(source.labels, memory.labels)  # type: ignore[arg-type]
    indices = torch.tensor([5, 0, 1, 2, 3, 4, 0, 1])
    for size in (8, 45):
        for seed in (None, 1, 2):
            one, other = (
                s.crops(indices, size, None if seed is None else torch.Generator().manual_seed(seed))
                for s in (source, memory)
            )
            assert torch.equal(one, other)
    for index in range(len(memory)):
        assert torch.equal(source.image(index), memory.image(index))
    assert torch.equal(centre_cropped(source, 16).pixels, centre_cropped(memory, 16).pixels)
    assert torch.equal(resized(source, 12).pixels, resized(memory, 12).pixels)
    kept = source.subset([4, 2]).with_classes(("dog", "cat"))
    assert kept.labels is not None and kept.labels.tolist() == [0, 1]
    assert torch.equal(kept.image(1), memory.image(2))


def test_a_damaged_file_is_replaced_by_one_of_its_class_and_named(folder: Path) -> None:
    cut_off(folder / "cat/2.png")
    source = streamed(folder)
    assert not source.skipped
    crops = source.crops(torch.tensor([2, 0, 2]), 8)
    for crop in (crops[0], crops[2]):
        # The centre of 20x90 pixels, in the next picture of the class.
        assert torch.equal(crop, source.image(0)[:, 6:14, 41:49])
    assert len(source.skipped) == 1 and source.skipped[0].startswith("cat/2.png: ")
    assert source.subset([0, 1]).skipped == ()
    with pytest.raises(ImageError, match=r"2\.png cannot be read"):
        source.image(2)


def test_unreadable_headers_are_left_out_from_the_start(folder: Path) -> None:
    (folder / "dog/text.jpg").write_text("not a picture")
    source = streamed(folder)
    assert len(source) == len(SIZES) and source.skipped[0].startswith("dog/text.jpg: ")


def test_nothing_of_a_class_is_readable(folder: Path) -> None:
    for number, suffix in ((0, "png"), (1, "jpg"), (2, "png")):
        cut_off(folder / f"cat/{number}.{suffix}")
    with pytest.raises(DataError, match="no readable images"):
        streamed(folder).crops(torch.tensor([0]), 8)


def test_decoded_pictures_stay_within_the_limit(folder: Path) -> None:
    source = streamed(folder)
    source.pictures.limit = 25_000  # Two or three of them.
    expected = load_folder(folder, "train").crops(torch.arange(6), 8)
    with ThreadPoolExecutor(4) as pool:
        for crops in pool.map(lambda _: source.crops(torch.arange(6), 8), range(40)):
            assert torch.equal(crops, expected)
    kept = [future.result() for future in source.pictures._kept.values()]
    taken = sum((1 if p.mode == "L" else 4) * p.width * p.height for p in kept)
    assert 0 < taken == source.pictures._bytes <= source.pictures.limit


def test_a_pass_takes_every_image_equally_often_and_keeps_its_uses_together(folder: Path) -> None:
    source = streamed(folder)
    many = StreamedSource(
        "many",
        source.paths * 50,
        torch.tensor([(4096, 3277)]).repeat(300, 1),
        source.names * 50,
        source.pictures,
    )
    order = many.pass_order(torch.Generator().manual_seed(0)).tolist()
    assert set(Counter(order).values()) == {VIEWS} and len(set(order)) == len(many) == 300
    places: dict[int, list[int]] = {}
    for place, index in enumerate(order):
        places.setdefault(index, []).append(place)
    # 40 of these images fill the largest cache; 20 images' worth of uses pass between the first
    # and the last use of one.
    assert max(p[-1] - p[0] for p in places.values()) <= 21 * VIEWS
    assert order[:VIEWS] != [order[0]] * VIEWS
    many.pictures.limit = 0
    assert many.pass_order(torch.Generator().manual_seed(0)).tolist() == order, "depends on the memory"
