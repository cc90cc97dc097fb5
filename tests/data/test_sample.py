"""`sample` needs no download and splits by photograph."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from skimage import data

from denoise_cli.data.load import load_dataset
from denoise_cli.data.sample import PHOTOS, load_sample


def test_crops_are_pixels_of_the_photographs() -> None:
    source = load_sample("test")
    for index in (0, 7, 24):
        name, place = source.names[index].split("/")
        row, column = map(int, place.split("-"))
        assert name == "astronaut.png"
        want = data.astronaut()[row : row + 96, column : column + 96]
        np.testing.assert_array_equal(source.image(index).permute(1, 2, 0).numpy(), want)


def test_no_photograph_is_in_both_splits() -> None:
    train, test = load_sample("train"), load_sample("test")
    photos = [{name.split("/")[0] for name in source.names} for source in (train, test)]
    assert photos == [set(PHOTOS["train"]), set(PHOTOS["test"])] and not photos[0] & photos[1]
    assert len(train) > 200 and len(test) > 50
    for source in (train, test):
        assert source.uniform_size == (96, 96) and source.groups is not None
        assert len(set(source.names)) == len(source)
        assert len(set(source.groups.tolist())) == len({name.split("/")[0] for name in source.names})


def test_names_ignore_case_and_a_limit_spreads() -> None:
    limited = load_dataset("Sample", "train", limit=7)
    assert len(limited) == 7 and limited.groups is not None and len(set(limited.groups.tolist())) > 3


def test_reading_it_does_not_import_scikit_image() -> None:
    code = (
        "import sys; from denoise_cli.data.sample import load_sample; load_sample('test'); "
        "print('skimage' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
