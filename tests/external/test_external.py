"""Networks of other programs: each kind against a direct call of it, then in `test` and `compare`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoise_cli.errors import WeightsError
from denoise_cli.external.load import is_external, load_external
from denoise_cli.external.network import AnyPicture, estimate_sigma, mirrored, set_sigma
from denoise_cli.onnx.export import export_onnx
from denoise_cli.weights.files import load_weights
from tests.conftest import Command, Weights

PICTURE = torch.rand(2, 3, 37, 45, generator=torch.Generator().manual_seed(0))


def save(path: Path, network: nn.Module, key: str | None = None) -> Path:
    state = network.state_dict()
    torch.save(state if key is None else {key: state, "epoch": 3}, path)
    return path


def spandrel_network(name: str, **sizes: Any) -> Any:
    architectures = pytest.importorskip(f"spandrel.architectures.{name}")
    torch.manual_seed(1)
    return getattr(architectures, name)(**sizes).eval()


@torch.inference_mode()
def test_published_weights_of_plain_networks(tmp_path: Path) -> None:
    dncnn = spandrel_network("DnCNN", in_nc=3, out_nc=3, nc=8, nb=17, act_mode="R")
    loaded = load_external(str(save(tmp_path / "dncnn.pth", dncnn, "params")))
    assert (loaded.name, loaded.kind) == ("dncnn", "DnCNN")
    assert torch.equal(loaded.module(PICTURE), dncnn(PICTURE).clamp(0, 1))
    nafnet = spandrel_network("NAFNet", width=4, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1])
    loaded = load_external(str(save(tmp_path / "nafnet.pth", nafnet, "params")))
    assert loaded.kind == "NAFNet"
    assert loaded.module(PICTURE).shape == PICTURE.shape
    assert loaded.parameters == sum(p.numel() for p in nafnet.parameters())


@torch.inference_mode()
def test_grey_networks_get_each_colour_by_itself(tmp_path: Path) -> None:
    grey = spandrel_network("DnCNN", in_nc=1, out_nc=1, nc=8, nb=17, act_mode="R")
    loaded = load_external(str(save(tmp_path / "grey.pth", grey)))
    expected = torch.cat([grey(PICTURE[:, c : c + 1]) for c in range(3)], 1)
    assert torch.allclose(loaded.module(PICTURE), expected.clamp(0, 1), atol=1e-6)


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["DRUNet", "FDnCNN"])
def test_the_noise_level_is_the_picture_s_own(tmp_path: Path, kind: str) -> None:
    """Not the 15 of 255 that spandrel gives to every picture."""
    if kind == "DRUNet":
        network = spandrel_network("DRUNet", in_nc=4, out_nc=3, nc=[4, 8, 8, 8], nb=2)
    else:
        network = spandrel_network("DnCNN", in_nc=4, out_nc=3, nc=8, nb=17, act_mode="R", mode="FDnCNN")
    loaded = load_external(str(save(tmp_path / "x.pth", network)))
    assert loaded.kind == kind
    padded = mirrored(PICTURE, 40, 48) if kind == "DRUNet" else PICTURE
    for sigma in (0.1, None):
        set_sigma(loaded.module, sigma)
        level = torch.full((2,), 0.1) if sigma else estimate_sigma(padded)
        maps = level.view(2, 1, 1, 1).expand(2, 1, *padded.shape[2:])
        expected = network(torch.cat([padded, maps], 1))[..., :37, :45]
        assert torch.allclose(loaded.module(PICTURE), expected, atol=1e-6)


class ReferenceFFDNet(nn.Module):
    """As the authors' code has it: the noise level first, in front of the picture's four parts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inside, out in ((4 * channels + 1, 6), (6, 6), (6, 4 * channels)):
            layers += [nn.Conv2d(inside, out, 3, padding=1), nn.ReLU()]
        self.model = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor, sigma: float) -> Tensor:
        height, width = x.shape[2:]
        x = F.pad(x, (0, width % 2, 0, height % 2), mode="reflect")
        parts = F.pixel_unshuffle(x, 2)
        level = torch.full((len(x), 1, *parts.shape[2:]), sigma)
        return F.pixel_shuffle(self.model(torch.cat([parts, level], 1)), 2)[..., :height, :width]


@torch.inference_mode()
@pytest.mark.parametrize("channels", [1, 3])
def test_ffdnet_is_no_fdncnn_of_12_channels(tmp_path: Path, channels: int) -> None:
    torch.manual_seed(2)
    network = ReferenceFFDNet(channels)
    loaded = load_external(str(save(tmp_path / "ffdnet.pth", network)))
    assert loaded.kind == "FFDNet"
    set_sigma(loaded.module, 0.2)
    pictures = PICTURE if channels == 3 else PICTURE.flatten(0, 1)[:, None]
    assert torch.allclose(loaded.module(PICTURE).view_as(pictures), network(pictures, 0.2), atol=1e-6)


@torch.inference_mode()
def test_our_own_export_comes_back(weights: Weights, tmp_path: Path) -> None:
    path = weights("unet", True)
    export_onnx(path, tmp_path / "mine.onnx", overwrite=False)
    loaded = load_external(str(tmp_path / "mine.onnx"))
    own = load_weights(path)[1]
    assert torch.allclose(loaded.module(PICTURE), own(PICTURE), atol=1e-4)
    assert loaded.name == "mine"


class Blur(nn.Module):
    """Each colour's mean over 3x3 pixels: what a tile gives depends on one pixel around."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1)


def fixed_size(path: Path, side: int) -> Path:
    """`Blur` as an ONNX graph of one size and batches of one, without padding rules of its own."""
    import onnx
    from onnx import TensorProto, helper

    shape = [1, 3, side, side]
    kernel = helper.make_tensor("k", TensorProto.FLOAT, [3, 1, 3, 3], [1 / 9] * 27)
    pads = helper.make_tensor("p", TensorProto.INT64, [8], [0, 0, 1, 1, 0, 0, 1, 1])
    nodes = [
        helper.make_node("Pad", ["x", "p"], ["y"], mode="reflect"),
        helper.make_node("Conv", ["y", "k"], ["z"], group=3),
    ]
    graph = helper.make_graph(
        nodes,
        "blur",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, shape)],
        [kernel, pads],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@torch.inference_mode()
@pytest.mark.parametrize("size", [(16, 16), (7, 9), (40, 33), (64, 100)])
def test_a_fixed_size_is_tiled(tmp_path: Path, size: tuple[int, int]) -> None:
    loaded = load_external(str(fixed_size(tmp_path / "blur.onnx", 16)))
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(loaded.module(x), Blur()(x), atol=1e-6)


def test_a_function_that_makes_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "our_networks.py").write_text(
        "import torch\nclass Same(torch.nn.Module):\n    size_multiple = 4\n"
        "    def forward(self, x):\n        assert x.shape[2] % 4 == x.shape[3] % 4 == 0\n        return x\n"
        "def broken():\n    raise RuntimeError('no weights')\ndef text():\n    return 'x'\n"
    )
    assert is_external("our_networks:Same")
    assert torch.equal(load_external("our_networks:Same").module(PICTURE), PICTURE)
    for name, message in (
        ("our_networks:broken", "no weights"),
        ("our_networks:text", "not a torch.nn.Module"),
        ("our_networks:nothing", "nothing"),
        ("no_such_module_here:x", "No module named"),
    ):
        with pytest.raises(WeightsError, match=message):
            load_external(name)


def test_files_that_hold_no_denoiser(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "text.pth").write_bytes(b"hello")
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save({"model.0.weight": torch.full((3,), torch.nan)}, tmp_path / "nan.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save(nn.Conv2d(3, 3, 3), tmp_path / "pickle.pth")
    for name, message in (
        ("text.onnx", "not an ONNX file"),
        ("text.pth", "cannot be read as tensors alone"),
        ("other.pth", "no architecture that spandrel knows"),
        ("nan.pth", "not finite"),
        ("list.pth", "no weights by name"),
        ("pickle.pth", "cannot be read as tensors alone"),
    ):
        assert is_external(str(tmp_path / name))
        with pytest.raises(WeightsError, match=message):
            load_external(str(tmp_path / name))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (20, 7)])
def test_any_size_reaches_what_a_network_takes(size: tuple[int, int]) -> None:
    seen: list[tuple[int, ...]] = []

    class Same(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(tuple(x.shape[2:]))
            return x

    x = torch.rand(1, 3, *size)
    assert torch.equal(AnyPicture(Same(), multiple=8, minimum=16)(x), x)
    assert all(side >= 16 and side % 8 == 0 for side in seen[0])
    padded = mirrored(x, *seen[0]).numpy()
    height, width = size
    if min(size) > 1:
        more = ((0, 0), (0, 0), (0, seen[0][0] - height), (0, seen[0][1] - width))
        assert np.array_equal(padded, np.pad(x.numpy(), more, mode="reflect"))


def test_in_one_table_with_ours(
    denoise: Command, weights: Weights, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    drunet = spandrel_network("DRUNet", in_nc=4, out_nc=3, nc=[4, 8, 8, 8], nb=2)
    save(tmp_path / "small-drunet.pth", drunet)
    own = weights("cnn", True)
    export_onnx(own, tmp_path / "mine.onnx", overwrite=False)
    (tmp_path / "maker_of_networks.py").write_text("import torch\nmake = torch.nn.Identity\n")
    networks = ("photo_unet", "small-drunet.pth", "mine.onnx", "maker_of_networks:make", own)
    made = denoise("compare", *networks, "--benchmark", "awgn", "--dataset", image_folder, "--json")
    assert made.returncode == 0, made.stderr
    results = json.loads(made.stdout)
    scores = {cell["method"]: cell for cell in results["cells"] if cell["noise"] == "awgn:25"}
    assert {"photo_unet", "small-drunet", "mine", "maker_of_networks:make"} <= set(scores)
    assert all(
        cell["psnr_interval"] and cell["seconds_per_megapixel"] is not None for cell in scores.values()
    )
    assert scores["mine"]["psnr"] == pytest.approx(scores[own.stem]["psnr"], abs=1e-3)
    assert scores["maker_of_networks:make"]["psnr"] == pytest.approx(scores["noisy input"]["psnr"], abs=0.05)
    alone = denoise(
        "test", "--weights", "mine.onnx", "--dataset", image_folder, "--noise", "awgn:25", "--json"
    )
    assert alone.returncode == 0, alone.stderr
    ours = denoise("test", "--weights", own, "--dataset", image_folder, "--noise", "awgn:25", "--json")
    assert json.loads(alone.stdout)["psnr"] == pytest.approx(json.loads(ours.stdout)["psnr"], abs=1e-3)


def test_known_weights_are_listed(denoise: Command) -> None:
    rows = json.loads(denoise("models", "--published", "--json").stdout)
    assert len(rows) == len({row["name"] for row in rows}) == 31
    assert all(row["address"].startswith("https://") and row["licence"] for row in rows)
    readable = {row["architecture"] for row in rows if row["readable"] == "yes"}
    assert {"DnCNN", "DRUNet", "FFDNet", "SCUNet", "NAFNet"} <= readable
    shown = denoise("models", "--published").stdout
    assert "drunet_color" in shown
    assert denoise("models", "unet", "--published").returncode == 2
