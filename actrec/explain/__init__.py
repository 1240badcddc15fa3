"""Explanations: images of what a system's answer depends on."""
