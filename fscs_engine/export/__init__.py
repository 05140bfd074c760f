"""The networks as files for other programs: ONNX, and TorchScript for Nuke."""
