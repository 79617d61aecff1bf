"""What runs a model: ONNX Runtime or OpenVINO."""
