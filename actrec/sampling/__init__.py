"""Which frames and which pixels of a video a network gets to see. Every draw comes from a passed-in generator."""

from actrec.sampling.crops import (
    Crop,
    Letterbox,
    corner_crop,
    jittered_crop,
    letterbox,
    random_crop,
    resize,
    short_side,
    test_crops,
)
from actrec.sampling.frames import (
    KEY_FRAME,
    PATHWAYS,
    dense_windows,
    extend,
    pair_span,
    pathways,
    segments,
    strided_pairs,
)

__all__ = [
    "KEY_FRAME",
    "PATHWAYS",
    "Crop",
    "Letterbox",
    "corner_crop",
    "dense_windows",
    "extend",
    "jittered_crop",
    "letterbox",
    "pair_span",
    "pathways",
    "random_crop",
    "resize",
    "segments",
    "short_side",
    "strided_pairs",
    "test_crops",
]
