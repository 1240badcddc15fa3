"""Engines compute a network for views: PyTorch anywhere, OpenVINO on a processor.

`choice` decides which one a machine uses for a network. OpenVINO is imported in `openvino_engine` only.
"""
