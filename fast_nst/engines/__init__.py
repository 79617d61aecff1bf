"""What runs a model: ONNX Runtime or OpenVINO."""

from fast_nst.engines.runtimes import check_onnxruntime

check_onnxruntime()  # before a module here imports it
