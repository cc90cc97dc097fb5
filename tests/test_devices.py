"""Devices and precisions by name."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from denoise_cli.devices import autocast, device_name, resolve_device, resolve_precision
from denoise_cli.errors import UsageError
from tests.conftest import Command

CPU = torch.device("cpu")
FLAGS = Path("/proc/cpuinfo")


def test_auto_takes_the_fastest_that_is_there() -> None:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    assert resolve_device("auto") == torch.device(next(name for name, found in there.items() if found))
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize("name", ["tpu:0", "cuda:x", ""])
def test_no_device_has_such_a_name(name: str) -> None:
    with pytest.raises(UsageError, match="Unknown device") as caught:
        resolve_device(name)
    assert "cuda:N" in caught.value.hint


@pytest.mark.parametrize("name", ["cuda:7", "mps", "meta", "xpu"])
def test_a_device_that_is_not_there(name: str) -> None:
    if name == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    if name == "cuda:7" and torch.cuda.device_count() > 7:
        pytest.skip("this machine has it")
    with pytest.raises(UsageError, match=f"This machine has no device '{name}'") as caught:
        resolve_device(name)
    assert "--device cpu" in caught.value.hint


def test_a_command_says_so(denoise: Command, image_folder: Path) -> None:
    if torch.cuda.device_count() > 7:
        pytest.skip("this machine has it")
    for command in (("train", "cae"), ("test", "cae"), ("classify", "cnn"), ("compare", "--models", "cae")):
        done = denoise(*command, "--dataset", image_folder, "--device", "cuda:7")
        assert done.returncode == 2, done.stderr
        assert "This machine has no device 'cuda:7'" in done.stderr


def test_results_name_the_processor_and_its_threads() -> None:
    name = device_name(CPU)
    assert name.startswith("cpu (")
    assert name.endswith(f", {torch.get_num_threads()} threads)")


def test_precisions_by_name() -> None:
    named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    for name, dtype in named.items():
        assert resolve_precision(name, CPU) == dtype
    assert resolve_precision("auto", torch.device("mps")) == torch.float32


@pytest.mark.skipif(
    not FLAGS.is_file() or platform.machine() != "x86_64", reason="the processor's flags are not told"
)
def test_auto_takes_bfloat16_where_the_processor_multiplies_it() -> None:
    """By the flags that Linux lists."""
    (flags, *_) = [set(line.split()) for line in FLAGS.read_text().splitlines() if line.startswith("flags")]
    fast = bool(flags & {"avx512_bf16", "amx_tile"})
    assert resolve_precision("auto", CPU) == (torch.bfloat16 if fast else torch.float32)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of NVIDIA's")
def test_auto_on_a_gpu() -> None:
    device = torch.device("cuda")
    # Ampere, compute capability 8.0, is the first to multiply bfloat16.
    expected = torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    assert resolve_precision("auto", device) == expected
    assert torch.cuda.get_device_name(device) in device_name(device)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_multiplies_in_the_precision(dtype: torch.dtype) -> None:
    x = torch.rand(4, 4)
    with autocast(CPU, dtype):
        assert (x @ x).dtype == dtype
    assert (x @ x).dtype == torch.float32
