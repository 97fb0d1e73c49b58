"""Networks that run: one interface over OpenVINO and ONNX Runtime."""
