"""Painting with an exported model: ONNX Runtime and NumPy, no torch."""
