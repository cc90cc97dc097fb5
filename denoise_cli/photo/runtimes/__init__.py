"""What computes a network: ONNX Runtime or PyTorch."""
