"""The guided tour of the cross-enhancement two-stream network."""

from __future__ import annotations

from demo.tours.step import MOMENT, Choice, Slider, Step, Tour

FIGURES = "tours.crossenh"
BRIDGE = Choice("letter", "Bridge", tuple("abcdefghi"), "e", "Row by row: teacher's front, middle, rear.")
DIRECTION = Choice("direction", "Who teaches", ("flow teaches RGB", "RGB teaches flow"), "flow teaches RGB")

TOUR = Tour(
    key="crossenh",
    title="Cross-enhancement",
    paper="Cao, Xu and Zhang, Cross-Enhancement Transform Two-Stream 3D ConvNets for Action Recognition, AIIPCC 2019",
    about="One network sees pictures, another sees motion, and usually they meet only at the very end. Here the better "
    "one teaches the other while it learns, over two bridges; afterwards the bridges are taken down.",
    steps=(
        Step(
            "Two streams", "sec. 3",
            "The same two seconds twice: as pictures, and as optical flow, which says for every pixel where it goes. "
            "Clothes, walls and light are in the first and not in the second; what stands still is in neither the "
            "second nor, much, in an action.",
            f"{FIGURES}:inputs",
        ),
        Step(
            "Each for itself", "sec. 3",
            "Both streams are 3-D networks of the same shape (I3D) with their own weights, and each gives an answer of "
            "its own. They make different mistakes; that is why two are better than one, and why one can teach the "
            "other.",
            f"{FIGURES}:alone",
        ),
        Step(
            "Front, middle, rear", "sec. 3.1",
            "What could the better stream show the other? Its maps: early ones still look like the picture, late ones "
            "are coarse and close to the answer. The paper chooses three positions in each stream.",
            f"{FIGURES}:positions", (MOMENT,),
        ),
        Step(
            "Nine bridges", "sec. 3.1, fig. 1",
            "Three positions in the teacher times three in the student make nine possible first bridges, a to i. A "
            "bridge asks the student's map to resemble the teacher's; where their shapes differ an adapter helps. Pick "
            "one and see what meets on it.",
            f"{FIGURES}:bridge", (BRIDGE, DIRECTION, MOMENT),
        ),
        Step(
            "The second bridge", "sec. 3.1",
            "A second bridge always joins the ends: the short codes that the answers are made from. It tells the "
            "student not how to look but what to conclude.",
            f"{FIGURES}:ends", (DIRECTION,),
        ),
        Step(
            "Three wishes in one loss", "eq. 1 and 2",
            "The student is asked for three things at once: resemble the teacher's map (α), resemble its code (β), and "
            "give the right answer (γ). Set α and β to zero and nothing is left of the method; set only α to zero and "
            "it resembles an older one, MARS.",
            f"{FIGURES}:loss",
            (
                BRIDGE, DIRECTION, Slider("alpha", "α", 0, 4, 0.25, 1), Slider("beta", "β", 0, 4, 0.25, 1),
                Slider("gamma", "γ", 0, 4, 0.25, 1),
            ),
        ),
        Step(
            "A lesson", "sec. 3.1",
            "Watch it happen. A student that has learned nothing stands under the trained teacher of these weights and "
            "learns from your clip alone. Take more steps: its map begins to look like the teacher's, and the three "
            "terms fall. Each new step takes a moment to compute.",
            f"{FIGURES}:lesson",
            (Slider("steps", "Steps", 0, 12, 1, 2), MOMENT, BRIDGE, DIRECTION),
        ),
        Step(
            "Without bridges", "sec. 3.1, last step",
            "When the student has learned, the bridges are removed and both streams are frozen. One last layer learns "
            "how much to trust whom, for each class. It starts as the plain average; look how far it has moved.",
            f"{FIGURES}:last_layer",
        ),
        Step(
            "Does the claim hold here?", "table 3",
            "Is a taught student better than one that learned alone, and do the bridges do it? What has been found "
            "with this project's networks stands here.",
            "claims.figure:verdict",
            needs_clip=False,
        ),
    ),
)  # fmt: skip
