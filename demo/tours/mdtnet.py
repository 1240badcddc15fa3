"""The guided tour of MDT-Net."""

from __future__ import annotations

from demo.tours.step import MOMENT, Again, Choice, Slider, Step, Tour

FIGURES = "tours.mdtnet"
SEGMENT = Slider("segment", "Segment", 1, 8, 1, 4)
WHERE = Choice("where", "In the network", ("after layer3", "after layer4"), "after layer3")
VARIANT = Choice("variant", "Spectrum", (("amplitude", "amplitude"), ("phase only", "phase")), "amplitude")
CUTOFF = Slider("cutoff", "Cut-off", 1, 12, 1, 1, "How many of the lowest frequencies go.")

TOUR = Tour(
    key="mdtnet",
    title="MDT-Net",
    paper="Xu, Cao and Yi, Video human action recognition by the fusion of significant motion and coarse-fine temporal "
    "granularity features",
    about="Look at a long clip through a few key frames, but tell the network what moved between them, finely and "
    "coarsely, on pictures in which everything that stands still has been darkened first.",
    steps=(
        Step(
            "Segments and key frames", "methods, step 1",
            "The clip is cut into segments of equal length, so that nothing of it is missed. From each segment five "
            "pictures are drawn, and the fourth of them is its key frame. The draw is new in every training step; draw "
            "again and watch the key frames change.",
            f"{FIGURES}:segments",
            (
                Choice("t", "Segments", ("4", "8", "16"), "8"),
                Choice("kind", "Five pictures", ("at random", "neighbours"), "at random"), Again("again", "Draw again"),
            ),
        ),
        Step(
            "One pixel over time", "methods, step 2",
            "Follow a single pixel through the clip: its brightness is a signal, like a sound. A Fourier transform "
            "takes it apart into frequencies. What is constant is the scenery and goes; what is left is motion. You "
            "start at the pixel that changes most. Raise the cut-off and slow changes go, too.",
            f"{FIGURES}:one_pixel",
            (Slider("row", "Row", 0, 1, 0.005, 0.5), Slider("column", "Column", 0, 1, 0.005, 0.5), CUTOFF, VARIANT),
            start=f"{FIGURES}:one_pixel_start",
        ),
        Step(
            "Pictures times their salience", "methods, step 2",
            "Do that for every pixel, square what is left, smooth it over the neighbours and scale it from 0 to 1: the "
            "salience map. The pictures are multiplied by it. A cluttered but quiet background goes dark before the "
            "network ever sees it; how dark is the strength.",
            f"{FIGURES}:enhanced",
            (
                Slider("strength", "Strength", 0, 1, 0.05, 1),
                Slider("smoothing", "Smoothing σ", 0, 6, 0.5, 2, "Pixels."),
                CUTOFF, MOMENT, VARIANT,
            ),
        ),
        Step(
            "Fine differences", "methods, step 3",
            "Within a segment the five pictures are close together, and their differences show how something moves "
            "right now: the edge of an arm, its direction. Go through the segments and find the one where most "
            "happens.",
            f"{FIGURES}:fine", (SEGMENT,),
        ),
        Step(
            "Coarse differences", "methods, step 3",
            "Between the key frames of neighbouring segments lies more time, and their differences show what has come "
            "of the movement: the arm was down and is up. Fine and coarse differences together go into the motion "
            "path.",
            f"{FIGURES}:coarse", (SEGMENT,),
        ),
        Step(
            "A kernel that bends", "methods, step 5",
            "From one key frame to the next things have moved, so comparing the same place in both compares different "
            "things. A deformable convolution may fetch its inputs from somewhere else: it learns, for each place, an "
            "offset for each of its taps. Whether it has learned to use that, the arrows show.",
            f"{FIGURES}:offsets",
            (SEGMENT, WHERE, Choice("kernel", "Kernel", ("3×3", "5×5"), "3×3")),
        ),
        Step(
            "Raised where it moves", "methods, step 5",
            "The bent features of the next key frame, minus the present ones, pass a sigmoid and become a gate. Where "
            "something moves, features are raised or lowered; everywhere else they pass unchanged.",
            f"{FIGURES}:gates", (SEGMENT, WHERE),
        ),
        Step(
            "Channels over time", "methods, step 6",
            "A second gate asks which channels matter at which time. Each channel's mean is followed over the segments "
            "by a small convolution along time, and its picture by one in space. Shown are the channels whose gate "
            "changes most on your clip.",
            f"{FIGURES}:course", (WHERE, Slider("count", "Channels", 3, 16, 1, 8)),
        ),
        Step(
            "What it costs", "table 2",
            "The paper compares itself with TSN and TSM on the same backbone but prints no multiplications. They can "
            "be counted: all three are one network here, with and without the modules.",
            f"{FIGURES}:cost",
            needs_clip=False,
        ),
        Step(
            "Does the claim hold here?", "tables 1 and 2",
            "Salience should help where the background is busy and do little where it is plain. What has been found "
            "with this project's networks stands here.",
            "claims.figure:verdict",
            needs_clip=False,
        ),
    ),
)  # fmt: skip
