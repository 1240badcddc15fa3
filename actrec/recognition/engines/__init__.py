"""Engines compute a network for views: PyTorch anywhere, OpenVINO on a processor.

`choice` says which one a machine uses for a network. OpenVINO is imported in `openvino_engine` only.
"""
