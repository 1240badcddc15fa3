"""Isolation of ultralytics: what importing it and building with it changes in the process is restored afterwards.

Left alone, it sets OpenCV and torch to one thread, writes a settings folder into the home directory,
prints to standard output, replaces `torch.save` and Pillow's `open`, changes how NumPy and torch print, and tests
whether there is a network connection. Nothing here imports ultralytics; `actrec.people.detector` does, inside
`quarantine()`.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import logging
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterator

import cv2
import numpy as np
import PIL.Image
import torch

_one_at_a_time = threading.RLock()  # the environment and the thread counts belong to the whole process
_settings_folder: str | None = None


def settings_folder() -> str:
    """A folder for ultralytics' settings that lives as long as this process, unless the user names one."""
    global _settings_folder
    if chosen := os.environ.get("YOLO_CONFIG_DIR"):
        return chosen
    if _settings_folder is None:
        _settings_folder = tempfile.mkdtemp(prefix="actrec-ultralytics-")
        atexit.register(shutil.rmtree, _settings_folder, ignore_errors=True)
    return _settings_folder


@contextlib.contextmanager
def quarantine() -> Iterator[None]:
    """Run a block that touches ultralytics; afterwards threads, environment and patches are as before."""
    with _one_at_a_time:
        before = dict(os.environ)
        threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
        torch_save, image_open = torch.save, PIL.Image.open
        os.environ |= {
            "YOLO_CONFIG_DIR": settings_folder(),
            "YOLO_AUTOINSTALL": "false",
            "YOLO_OFFLINE": "true",
            "YOLO_VERBOSE": "false",
        }
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                np.printoptions(),
                warnings.catch_warnings(),
            ):
                yield
                hush()
        finally:
            for name in set(os.environ) - set(before):
                del os.environ[name]
            os.environ |= before
            torch.set_printoptions(profile="default")
            torch.save, PIL.Image.open = torch_save, image_open
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            if cv2.getNumThreads() != cv_threads:
                cv2.setNumThreads(cv_threads)


def hush() -> None:
    """Its logger passes warnings to the program's own logging, nothing to standard output."""
    logger = logging.getLogger("ultralytics")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.WARNING)
