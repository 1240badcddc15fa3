"""The frames and pixels of a video that a network gets. Every random draw uses the generator that is passed in."""

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
    widest,
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
    "widest",
]
