"""The guided tour of Asymmetric 3D-CNN."""

from __future__ import annotations

from demo.tours.step import MOMENT, Choice, Slider, Step, Tour

ROW = Slider("row", "Row", 0, 1, 0.005, 0.5, "From top to bottom.")
COLUMN = Slider("column", "Column", 0, 1, 0.005, 0.5, "From left to right.")
FIGURES, COSTS = "tours.asym3d", "tours.asym3d_costs"

TOUR = Tour(
    key="asym3d",
    title="Asymmetric 3D-CNN",
    paper="Yang et al., Asymmetric 3D Convolutional Neural Networks for Action Recognition, Pattern Recognition 2019",
    about="A network that looks at pictures and time together needs cubes of weights, and cubes are dear. This paper "
    "replaces a cube by three rods: one along the height, one along the width, one along time.",
    steps=(
        Step(
            "A clip is a block", "sec. 4.3",
            "Sixteen pictures are stacked into one block of numbers, and the network sees all of them at once. An "
            "action is then a shape in this block: a waving arm is a ribbon that swings to and fro along the time "
            "axis. Choose what the block is made of; the light network of this page was trained on differences.",
            f"{FIGURES}:block",
            (Choice("fed", "The block is made of", ("difference", "rgb", "flow", "rgbf"), "difference"),),
        ),
        Step(
            "One window over space and time", "eq. 1 and 2",
            "A 3-D convolution lays a small window over the block: a few rows, a few columns and a few pictures. Every "
            "number under the window is multiplied by a weight, and all products are added up. That sum is one cell of "
            "the result. Then the window moves on. You start where this kernel answers most; move the window and watch "
            "the sum change.",
            f"{FIGURES}:window",
            (ROW, COLUMN, MOMENT, Slider("channel", "Kernel", 0, 15, 1, 0, "The first layer has 16.")),
            start=f"{FIGURES}:window_start",
        ),
        Step(
            "Three windows instead of one", "eq. 3 to 6",
            "Now the same reach with far fewer weights. A first window is long only in height, a second works on its "
            "result and is long only in width, a third only in time. Each sees what the one before has gathered, so at "
            "the end a cell depends on a whole box of the block. Step through the three directions.",
            f"{FIGURES}:cascade",
            (
                Choice("direction", "Direction", ("height", "width", "time"), "height"), ROW, COLUMN, MOMENT,
                Slider("channel", "Kernel", 0, 11, 1, 0, "The column has 12."),
            ),
            start=f"{FIGURES}:cascade_start",
        ),
        Step(
            "Three kinds side by side", "fig. 1, sec. 3.1",
            "A cube of side k has k³ weights for every pair of channels. A plate for space and a rod for time (the "
            "idea of FstCN) need k² + k. Three rods need 3k. Choose k and the number of channels: weights and "
            "multiplications are counted on real layers, the milliseconds are measured on this machine while you wait.",
            f"{COSTS}:three_kinds",
            (Choice("k", "k", ("3", "5", "7"), "3"), Choice("channels", "Channels", ("16", "32", "64"), "32")),
            needs_clip=False,
        ),
        Step(
            "Two layers in one go", "fig. 2b",
            "The deep network of this paper's comparison stacks two dense layers. The paper swaps both at once for "
            "rods of length 5, 5 and 3, which keeps the network from growing too deep to train. Does one output still "
            "see as much? Here the answer is found by asking every input whether it matters.",
            f"{COSTS}:two_layers",
            (Choice("channels", "Channels", ("64", "256", "512"), "256"),),
            needs_clip=False,
        ),
        Step(
            "Small networks in the network", "fig. 3, sec. 3.2",
            "Long things and short things happen in the same clip. A MicroNet therefore has four columns of different "
            "reach side by side and joins their answers. In M2 the column of two layers is made of rods, in M3 the "
            "column of one, in M4 both. Look at what each column finds and what it costs.",
            f"{FIGURES}:columns",
            (
                Choice("which", "MicroNet", (("conv3 (M2)", "conv3"), ("conv4 (M2)", "conv4"), ("conv5 (M3)", "conv5")),
                       "conv3"),
                MOMENT,
            ),
        ),
        Step(
            "Where the cost lies", "table 1, corrected",
            "Why does the paper leave the first two layers dense? Because there is little to win: they hold almost no "
            "weights. The table counts C3D, the classic dense network, layer group by layer group. One row of the "
            "printed table cannot be right; it is corrected here, and you can check the sum.",
            f"{COSTS}:table_1",
            needs_clip=False,
        ),
        Step(
            "Sixteen networks counted", "table 2",
            "The paper replaces the third, fourth and fifth group of two dense networks in every combination. We build "
            "all sixteen and count. Fewer multiplications need not mean the same gain in time, so the paper's measured "
            "speed stands beside what the multiplications would give.",
            f"{COSTS}:table_2",
            (Choice("base", "Base network", (("c3d-b5, five layers", "c3d-b5"), ("c3d-b8, eight layers", "c3d-b8")),
                    "c3d-b5"),),
            needs_clip=False,
        ),
        Step(
            "Pictures dimmed where nothing moves", "eq. 7, fig. 5",
            "Instead of one network for pictures and another for motion, the paper mixes both before the first layer. "
            "Optical flow says how far each pixel moves; scaled from 0 to 1 within a picture it becomes a dimmer. What "
            "stands still goes dark, what moves keeps its colours. Choose a moment and the way flow is found.",
            f"{FIGURES}:enhanced",
            (
                MOMENT,
                Choice("method", "Optical flow", (("DIS", "dis"), ("TV-L1", "tvl1"), ("Brox (the paper's)", "brox")),
                       "dis"),
            ),
        ),
        Step(
            "Does the claim hold here?", "tables 2 to 5",
            "A paper's figures belong to its data. What has been found with the networks of this project, on clips "
            "that were not used to train them, stands here.",
            "claims.figure:verdict",
            needs_clip=False,
        ),
    ),
)  # fmt: skip
