"""`denoise denoise-image` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from denoise_cli.weights.header import read_header
from tests.conftest import Command


def write_photo(path: Path, seed: int = 0, size: tuple[int, int] = (30, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_result_lies_beside_the_photo(denoise: Command, cae: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png")
    done = denoise("denoise-image", "a.png", "--weights", cae)
    assert done.returncode == 0, done.stderr
    assert "a.denoised.png" in done.stderr
    with Image.open(tmp_path / "a.denoised.png") as image:
        assert image.size == (40, 30)
    again = denoise("denoise-image", "a.png", "--weights", cae)
    assert again.returncode == 1
    assert "--overwrite" in again.stderr
    assert denoise("denoise-image", "a.png", "--weights", cae, "--overwrite").returncode == 0


def test_runs_without_torch(cae: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png")
    program = (
        "import sys\nfrom denoise_cli.__main__ import main\n"
        f"sys.argv = ['denoise', 'denoise-image', 'a.png', '--device', 'cpu', '--weights', {str(cae)!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert stop.code in (0, None), stop.code\n"
        "print(sorted({'torch', 'skimage', 'scipy', 'PIL', 'onnx'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b"just text", "not a picture"), (None, "no photo"), ("cut", "damaged JPEG")],
)
def test_bad_photos_are_one_sentence(
    content: bytes | str | None, reason: str, denoise: Command, cae: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    if isinstance(content, str):
        content = write_photo(path).read_bytes()[:700]
    if content is not None:
        path.write_bytes(content)
    before = files_below(tmp_path)
    done = denoise("denoise-image", "a.jpg", "--weights", cae)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert files_below(tmp_path) == before


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--model", "unett"], "Did you mean"),
        (["--tile", "17"], "too small"),
        (["--format", "gif"], "format"),
        (["--bits", "16", "--format", "jpeg"], "JPEG files hold 8 bits"),
        (["--bits", "16", "--format", "jpeg"], "choose another --format: png or tiff."),
        (["--strength", "2"], "strength"),
        (["--luma", "-1"], "luma"),
        (["--detail", "0.3"], "--luma 0.7"),
        (["--set", "detail=0.25"], "luma: 0.75"),
        (["--shard", "3/3"], "shard"),
        (["--set", "strenght=1"], "Did you mean strength"),
        (["--output", "a.png"], "replace the photo"),
    ],
)
def test_bad_usage(args: list[str], reason: str, denoise: Command, cae: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png")
    weights = [] if "--model" in args else ["--weights", cae]
    done = denoise("denoise-image", "a.png", *weights, *args)
    assert done.returncode == 2, done.stderr
    assert reason in done.stderr
    assert files_below(tmp_path) == {"a.png"}


def test_output_folder_that_is_a_file(denoise: Command, cae: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png")
    (tmp_path / "file").touch()
    done = denoise("denoise-image", "a.png", "--weights", cae, "--output", "file/b.png")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_odd_sizes(denoise: Command, cae: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "one.png", size=(1, 1))
    write_photo(tmp_path / "thin.png", size=(3, 4000))
    assert denoise("denoise-image", "one.png", "thin.png", "--weights", cae).returncode == 0
    with Image.open(tmp_path / "thin.denoised.png") as image:
        assert image.size == (4000, 3)


def test_standard_input_and_output(denoise: Command, cae: Path, tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.png").read_bytes()
    denoise("denoise-image", "a.png", "--weights", cae)
    done = denoise("denoise-image", "-", "--weights", cae, stdin=photo)
    assert done.stdout.encode(errors="surrogateescape") == (tmp_path / "a.denoised.png").read_bytes()
    assert "- -> -" in done.stderr
    bad = denoise("denoise-image", "-", "--weights", cae, stdin=photo[:500])
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "damaged PNG" in bad.stderr


def test_standard_input_is_compared_like_a_file(denoise: Command, cae: Path, tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.png", 0, (60, 80)).read_bytes()
    write_photo(tmp_path / "clean.png", 1, (60, 80))
    arguments = ("--weights", cae, "--reference", "clean.png", "--side-by-side", "--json")
    file = json.loads(denoise("denoise-image", "a.png", *arguments).stdout)
    piped = denoise("denoise-image", "-", *arguments, "-o", "b.png", stdin=photo)
    row = json.loads(piped.stdout)
    assert row["psnr_after"] == pytest.approx(file["psnr_after"])
    assert row["input"] == "-"
    assert (tmp_path / "b.compare.png").read_bytes() == (tmp_path / "a.denoised.compare.png").read_bytes()
    refused = denoise("denoise-image", "-", *arguments, stdin=photo)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Add --output FILE" in refused.stderr
    (tmp_path / "folder").mkdir()
    for name in ("folder", "new/"):
        refused = denoise("denoise-image", "-", "--weights", cae, "-o", name, stdin=photo)
        assert refused.returncode == 2
        assert "no name for a folder" in refused.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--quality", "90", "-o", "c.png"), 2, "--quality has no effect on PNG files."),
        (("--quality", "90", "--format", "tiff"), 2, "--quality has no effect on TIFF files."),
        (("--skip-existing", "-o", "b.png"), 0, "Skipped: b.png exists already."),
        (("-o", "b.png"), 1, "b.png exists already."),
    ],
)
def test_standard_input_knows_the_options_of_files(
    options: tuple[str, ...], code: int, said: str, denoise: Command, cae: Path, tmp_path: Path
) -> None:
    data = write_photo(tmp_path / "a.png").read_bytes()
    before = write_photo(tmp_path / "b.png", 1).read_bytes()
    done = denoise("denoise-image", "-", "--weights", cae, *options, stdin=data)
    assert (done.returncode, said in done.stderr, done.stdout) == (code, True, ""), done.stderr
    assert files_below(tmp_path) == {"a.png", "b.png"}
    assert (tmp_path / "b.png").read_bytes() == before


@pytest.mark.parametrize("command", ["denoise-image", "test", "export"])
def test_weights_of_another_setting_or_model_are_refused(
    command: str, denoise: Command, cae: Path, tmp_path: Path
) -> None:
    write_photo(tmp_path / "a.png")
    data = {"denoise-image": ["a.png"], "test": ["--dataset", "sample"], "export": []}[command]
    before = files_below(tmp_path)
    header = read_header(cae)
    switch = "--no-batchnorm" if header.batch_norm else "--batchnorm"
    done = denoise(command, *data, "--weights", cae, switch)
    setting = "with" if header.batch_norm else "without"
    assert done.returncode == 2 and f"was trained {setting} batch norm." in done.stderr, done.stderr
    done = denoise(command, *data, "--weights", cae, "--model", "unet")
    assert done.returncode == 2 and "holds" in done.stderr, done.stderr
    assert files_below(tmp_path) == before


def test_scores_and_comparison(denoise: Command, cae: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "noisy.png", 0, (200, 400))
    write_photo(tmp_path / "clean.png", 1, (200, 400))
    arguments = ("denoise-image", "noisy.png", "--weights", cae, "--reference", "clean.png", "--side-by-side")
    done = denoise(*arguments, "--json", "--strength", "0")
    row = json.loads(done.stdout)
    assert row["psnr_before"] == row["psnr_after"] == pytest.approx(7.8, abs=0.3)
    assert row["ssim_before"] == row["ssim_after"]
    assert "PSNR" in done.stderr
    with Image.open(tmp_path / "noisy.denoised.compare.png") as image:
        page = np.asarray(image)
    # Names, the photos, and two rows of crops as wide as they are, four times as large.
    label = 27 + 8
    assert page.shape == (label + 200 + 2 * (8 + 200), 3 * 400 + 2 * 8, 3)
    assert (page[:, 400:408] == 255).all()
    assert all((page[:27, left : left + 400] < 128).any() for left in (0, 408, 816))
    page = page[label:]
    assert (page[:200, :400] == page[:200, 408:808]).all()
    with Image.open(tmp_path / "clean.png") as image:
        assert (page[:200, 816:] == np.asarray(image.convert("RGB"))).all()
    assert (page[208:408, 0:400:4] == page[208:408, 3:400:4]).all()


def test_a_reference_that_does_not_fit_is_refused_before_the_work(
    denoise: Command, cae: Path, tmp_path: Path
) -> None:
    write_photo(tmp_path / "noisy.png", 0, (200, 400))
    write_photo(tmp_path / "small.png", 1, (20, 20))
    (tmp_path / "text.png").write_text("no picture")
    before = files_below(tmp_path)
    for reference, code, said in (
        ("small.png", 2, "small.png has 20 x 20 pixels, but noisy.png has 400 x 200"),
        ("text.png", 1, "text.png is not a picture that can be read"),
    ):
        done = denoise("denoise-image", "noisy.png", "--weights", cae, "--reference", reference)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert files_below(tmp_path) == before


def test_a_comparison_replaces_nothing(denoise: Command, cae: Path, tmp_path: Path) -> None:
    before = {}
    for name in ("a.png", "a.jpg", "b.compare.png", "b.png"):
        before[name] = write_photo(tmp_path / name).read_bytes()
    for args in (
        ("b.compare.png", "-o", "b.png", "--overwrite"),  # the photo itself
        ("a.png", "a.jpg"),  # both at once
        ("a.png", "-o", "b.jpg"),  # b.compare.png is there
    ):
        done = denoise("denoise-image", *args, "--side-by-side", "--weights", cae)
        assert done.returncode in {1, 2}, args
        assert "b.compare.png" in done.stderr or "a.denoised.compare.png" in done.stderr
    assert files_below(tmp_path) == set(before)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_names_that_say_what_is_meant(denoise: Command, cae: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png")
    (tmp_path / "d1").mkdir()
    for args, reason in (
        ([""], "empty name"),
        (["d[1]"], "There is no photo"),
        (["a.png", "-o", "-"], "Only a photo from standard input"),
        (["a.png", "--reference", "nope.png"], "There is no reference nope.png"),
    ):
        done = denoise("denoise-image", *args, "--weights", cae)
        assert done.returncode in {1, 2}, args
        assert reason in done.stderr
    assert denoise("denoise-image", "nope.png", "-o", "new/one/", "--weights", cae).returncode == 1
    assert files_below(tmp_path) == {"a.png"} and not (tmp_path / "new").exists()
    assert denoise("denoise-image", "a.png", "-o", "new/", "--weights", cae).returncode == 0
    assert files_below(tmp_path) == {"a.png", "new/a.png"}
    assert denoise("export", "--weights", cae, "-o", "more/").returncode == 0
    assert (tmp_path / "more" / "cae.onnx").is_file()
    write_photo(tmp_path / "b.png")
    denoise("denoise-image", "a.png", "b.png", "--weights", cae)
    again = denoise("denoise-image", "a.png", "b.png", "--weights", cae)
    assert again.stderr.count("exist") == 2 and "2 results exist already." in again.stderr
    assert "--skip-existing" in again.stderr and "--overwrite" in again.stderr


def test_the_noise_is_told(denoise: Command, cae: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    fine = rng.normal(128, 10, (200, 300, 3))
    blocks = rng.normal(128, 10, (100, 150, 1)).repeat(2, 0).repeat(2, 1).repeat(3, 2) + rng.normal(
        0, 2, fine.shape
    )
    for name, picture in (("fine", fine), ("coarse", blocks)):
        Image.fromarray(picture.round().clip(0, 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
        done = denoise("denoise-image", f"{name}.png", "--weights", cae, "--json")
        row = json.loads(done.stdout)
        assert row["sigma"] == pytest.approx([10 / 255] * 3, rel=0.15)
        assert row["coarse"] == (name == "coarse")
        assert (" of 255, coarse;" in done.stderr) == row["coarse"]
    flat = np.full((60, 80, 3), 200, np.uint8)
    Image.fromarray(flat).save(tmp_path / "flat.png")
    done = denoise("denoise-image", "flat.png", "--weights", cae, "--json")
    assert "no noise was found" in done.stderr
    assert json.loads(done.stdout)["sigma"] == [0, 0, 0]
    with Image.open(tmp_path / "flat.denoised.png") as image:
        assert (np.asarray(image) == flat).all()


def test_a_second_run_denoises_no_result(denoise: Command, cae: Path, tmp_path: Path) -> None:
    for name in "ab":
        write_photo(tmp_path / f"{name}.png")
    assert denoise("denoise-image", "*.png", "--weights", cae).returncode == 0
    photos = {"a.png", "b.png", "a.denoised.png", "b.denoised.png"}
    for paths in (["*.png"], sorted(photos), ["."]):
        again = denoise("denoise-image", *paths, "--weights", cae, "--json")
        assert again.returncode == 1
        assert again.stderr.count("exist already") == 1 and "2 results exist already." in again.stderr
        assert again.stderr.count("Left alone: 2 results of earlier runs.") == (paths != ["."])
        assert [json.loads(line)["status"] for line in again.stdout.splitlines()] == ["failed"] * 2
        skipped = denoise("denoise-image", *paths, "--weights", cae, "--skip-existing")
        assert skipped.returncode == 0
        assert "0 done, 2 skipped, 0 failed" in skipped.stderr
    assert denoise("denoise-image", "*.png", "--weights", cae, "--overwrite").returncode == 0
    assert files_below(tmp_path) == photos
    before = (tmp_path / "a.denoised.png").read_bytes()
    refused = denoise("denoise-image", "a.png", "a.denoised.png", "--weights", cae, "--overwrite")
    assert refused.returncode == 2
    assert "The result of a.png would replace a.denoised.png" in refused.stderr
    assert (tmp_path / "a.denoised.png").read_bytes() == before
