"""From photographs and a style image to a checkpoint and an ONNX file."""
