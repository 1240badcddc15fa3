"""The guided tour of FstCN."""

from __future__ import annotations

from demo.tours.step import MOMENT, Choice, Slider, Step, Tour, Words

FIGURES, ANSWERS = "tours.fstcn", "tours.fstcn_answers"
WHICH = Slider("which", "Picture", 1, 5, 1, 3, "Of the five in the pair.")
POSITION = Slider("position", "Place", 1, 9, 1, 5, "Of the 3×3, row by row.")

TOUR = Tour(
    key="fstcn",
    title="FstCN",
    paper="Sun et al., Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks, ICCV 2015",
    about="Learn space first, picture by picture, and time afterwards, on what space has made of the pictures. That "
    "needs far fewer weights than learning both at once, and the part for space can be learned from single pictures.",
    steps=(
        Step(
            "A cube made of a plate and a rod", "eq. 1 to 3",
            "Some cubes of weights are a flat kernel repeated along time, each copy times one number. For such a cube, "
            "convolving once with the cube is the same as convolving every picture with the plate and then every pixel "
            "along time with the rod. Type other kernels and compare; press Enter to try them.",
            f"{FIGURES}:outer",
            (
                Words("flat", "Flat kernel, rows apart by ;", "1 0 -1; 2 0 -2; 1 0 -1"),
                Words("along", "Kernel along time", "-1 0 1"), MOMENT,
            ),
        ),
        Step(
            "Pictures and their partners", "eq. 4, fig. 2",
            "A pair of clips: five pictures, and how each of them differs from a picture d_t later. The pictures are "
            "s_t apart, so that a few of them span a long stretch. Move both numbers: small distances show only edges "
            "of what moves, large ones show where it was and where it is.",
            f"{FIGURES}:pair",
            (
                Slider("distance", "d_t", 1, 12, 1, 4, "The light network takes 4."),
                Slider("stride", "s_t", 1, 8, 1, 3, "The light network takes 3."),
                Slider("which", "Pair", 1, 5, 1, 3, "Five pairs, spread over the clip."),
            ),
        ),
        Step(
            "Four layers for space", "sec. 2.1",
            "The first four layers look at each picture on its own and are shared by both paths. They see no time at "
            "all. Compare what they find in a picture with what they find in a difference.",
            f"{FIGURES}:shared",
            (Choice("fed", "Look at", (("a difference", "difference"), ("a picture", "frames")), "difference"), WHICH),
        ),
        Step(
            "Turning time into a direction", "sec. 2.1, T-P operator",
            "Now the trick. Take one place of the small maps and write down all its channels, time after time: a "
            "picture with time downwards and channels across. On that picture an ordinary 2-D convolution runs along "
            "time. Channels have no natural order, so a learned matrix P first puts them into one.",
            f"{FIGURES}:rearranged", (POSITION, Slider("channel", "Channel", 0, 63, 1, 0)),
        ),
        Step(
            "Two kernels for time", "sec. 2.1, TCL",
            "Some actions are quick, some are slow. A small kernel and a large one look at the same picture of time "
            "and channels side by side, and both answers are kept. Nothing is pooled afterwards, since that would blur "
            "when something happened.",
            f"{FIGURES}:columns", (POSITION, Slider("which", "Map", 1, 8, 1, 1)),
        ),
        Step(
            "Two paths, one answer", "fig. 1",
            "A second, spatial path looks at one picture only. Both end in a short vector, and the two vectors "
            "together are classified. Silence one path and see what the other says of your clip.",
            f"{ANSWERS}:paths",
        ),
        Step(
            "Eighteen looks at one pair", "eq. 5 and 6, fig. 3",
            "For a test the pair is cropped at nine places, each also mirrored. A crop that shows the action well "
            "gives one class nearly all of its score; a crop that missed it hesitates. The sparsity concentration "
            "index tells the two apart, and the crops are averaged with it as their weight.",
            f"{ANSWERS}:crops",
        ),
        Step(
            "Many pairs, one answer", "eq. 6 and 7",
            "Several pairs are spread over the clip. Crops are averaged within a pair, but across pairs the largest "
            "score of each class wins: an action need only be seen once. Compare with plain averaging.",
            f"{ANSWERS}:fused", (Slider("pairs", "Pairs", 1, 5, 1, 5),),
        ),
        Step(
            "Where the weights are", "sec. 2.5",
            "Factorising makes convolutions small. It does nothing for the fully connected layers behind them, and "
            "that is where the paper's network keeps nearly all of its weights. Counted on both networks.",
            f"{ANSWERS}:sizes",
            needs_clip=False,
        ),
        Step(
            "Does the claim hold here?", "tables 1 and 2",
            "Two kernels better than one, SCI better than averaging, both paths better than either: what has been "
            "found with this project's networks stands here.",
            "claims.figure:verdict",
            needs_clip=False,
        ),
    ),
)  # fmt: skip
