"""Networks of other programs: ONNX files, published weights, and functions that make one."""
