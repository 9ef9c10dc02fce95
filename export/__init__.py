"""Run folders to proven ONNX files; runs from a checkout on a workstation. Imports no `train`."""
