"""Untrusted videos, decoded in a child process with limits of memory and time."""
