"""Networks as ONNX files: the format, the layers, and the export. No torch."""
