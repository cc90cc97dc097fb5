"""Devices and numeric precision."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext

import torch

from denoise_cli.errors import UsageError


def resolve_device(name: str) -> torch.device:
    """The device of a name: auto (CUDA, else MPS, else CPU), gpu (CUDA, else MPS), cpu, cuda, cuda:N or mps.

    Raises:
        UsageError: Not a device name, or not present on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name == "gpu":
        name = "cuda" if torch.cuda.is_available() else "mps"
        if name == "mps" and not torch.backends.mps.is_available():
            raise UsageError("This machine has no GPU.", "Leave --device out, or use --device cpu.")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"Unknown device {name!r}.", "Use auto, cpu, gpu, cuda, cuda:N or mps.") from error
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(device.type, False):
        raise UsageError(f"This machine has no device {name!r}.", "Leave --device out, or use --device cpu.")
    return device


def device_name(device: torch.device) -> str:
    """The device with the GPU's name, or the processor's and its threads, for results."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.processor() or platform.machine()}, {torch.get_num_threads()} threads)"


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """The dtype of the forward pass; `auto` takes bfloat16 where the hardware multiplies it fast."""
    named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if name != "auto":
        return named[name]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.bfloat16 if device.type == "cpu" and _cpu_has_bfloat16() else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Automatic mixed precision, or nothing for float32."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype)


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU has bfloat16 instructions (AVX512-BF16 or AMX); emulation is slower than float32."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)
