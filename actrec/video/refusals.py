"""Why a video is refused: what is wrong and what to do, for the person who chose the file."""

from __future__ import annotations

from actrec.video.clip import VideoError

KINDS = "mp4, mov, webm, mkv, avi, mpeg or gif"

SENTENCES = {
    # the file
    "missing": "The file cannot be opened ({reason}). Choose another one.",
    "empty": "The file is empty. Record or export the video again.",
    "not-video": f"This file is not a video that can be read. Choose an {KINDS} file.",
    "playlist": f"This is a playlist, not a video. Choose the {KINDS} file it points to.",
    "picture": "This is a still image, and an action takes at least two. Choose a video.",
    "audio-only": "The file holds sound but no video. Choose a video.",
    "no-video": "The file holds no video. Choose another file or export it again.",
    "unknown-codec": "The video is compressed in a way that is not known here. Export it as H.264 mp4.",
    "truncated": "The file is damaged or cut off: {part} can be read. Copy or export it again.",
    "one-frame": "The video has a single frame, and an action takes at least two. Record a longer one.",
    # its size
    "too-large": "The frames have {width}×{height} pixels; at most {most:.1f} million pixels are taken. "
    "Save the video smaller.",
    "too-long": "The video is {seconds:.0f} s long; at most {most:.0f} s are taken. Cut out the part to look at.",
    "too-many-frames": "The clip would have {frames} frames; at most {most} are taken. "
    "Ask for a lower rate or a shorter part.",
    "too-many-bytes": "The clip would take {size:.0f} MB; at most {most:.0f} MB are taken. "
    "Ask for smaller frames, a lower rate or a shorter part.",
    "empty-window": "The video shows nothing after {start:.1f} s. Choose an earlier start.",
    # the decoding
    "memory": "Decoding this video takes too much memory. Save it smaller or shorter.",
    "too-slow": "Decoding took more than {seconds:.0f} s and was given up. Save the video smaller or shorter.",
    "crashed": "This video broke the decoder. Export it again as H.264 mp4.",
    "closed": "The decoder was closed. Open a new one.",
}


def refusal(code: str, **facts: object) -> VideoError:
    """The error to raise; `facts` fill the sentence."""
    return VideoError(code, SENTENCES[code].format(**facts))
