"""ONNX Runtime, told to send nothing: import it from here and nowhere else."""

from __future__ import annotations

import os

# Since 1.32 it makes a device id and a data base of events in the user's cache folder when it is
# imported, and asks a host for where to send them, unless this is set before.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

__all__ = ["ort"]
