"""Video in and out. Only `read`, `child` and `write` need PyAV; a Clip does not."""

from actrec.video.clip import Clip, VideoError

__all__ = ["Clip", "VideoError"]
