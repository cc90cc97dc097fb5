"""Runtimes of networks: ONNX Runtime and PyTorch."""
