"""The guided tour of MS3D."""

from __future__ import annotations

from demo.tours.step import MOMENT, Again, Choice, Slider, Step, Tour

FIGURES, CODES = "tours.ms3d", "tours.ms3d_codes"
KERNEL = Slider("channel", "Kernel", 0, 7, 1, 0, "The fixed layer has 8.")
PATHWAY = Choice("pathway", "Pathway", ("slow", "mid", "fast"), "slow")
DRAW = Again("again", "Draw again")

TOUR = Tour(
    key="ms3d",
    title="MS3D",
    paper="Man et al., The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks",
    about="Not every picture of a clip says something. This paper draws pictures where something happens, at three "
    "densities, wires its layers sparsely and by lot, and decides by distance: what is near to no known class is "
    "unknown.",
    steps=(
        Step(
            "With time and without", "sec. II",
            "A 2-D kernel looks at one picture: what came before or after cannot change its answer. A 3-D kernel "
            "reaches into the neighbouring pictures as well. The proof is simple: exchange the neighbours for copies "
            "and see whose answer changes.",
            f"{FIGURES}:with_time", (MOMENT, KERNEL),
        ),
        Step(
            "Where something happens", "eq. 1",
            "Add up how much every pixel changes from one picture to the next, and divide by the sum over the clip: "
            "that is the variance rate. It is a lottery wheel. A pair of pictures between which much happens gets a "
            "wide field. Draw again and see where the pictures fall.",
            f"{FIGURES}:rate", (DRAW,),
        ),
        Step(
            "Three pathways", "sec. III-A",
            "The wheel is spun for three pathways on their own: 7 pictures for the slow one, 17 for the mid one, 25 "
            "for the fast one. The slow pathway sees the outline of an action, the fast one its detail. Each keeps the "
            "order of time.",
            f"{FIGURES}:pathways", (PATHWAY, DRAW),
        ),
        Step(
            "One kernel for all, then one of its own", "eq. 3, sec. III-A",
            "All pathways pass the same kernel first, and that one is never trained: what it says of a slow picture "
            "and of a fast one can be compared. Then each pathway has its own kernel, wider where there are more "
            "pictures, and the three results are piled up to one block.",
            f"{FIGURES}:stems", (PATHWAY, MOMENT, KERNEL),
        ),
        Step(
            "From a flat kernel to a deep one", "eq. 4",
            "Good 2-D kernels are known; 3-D kernels need a start. Copy the flat kernel into every slice of time, with "
            "a large factor once and small negative ones elsewhere, such that the factors add up to one. Where nothing "
            "moves the deep kernel then answers as the flat one does; where something moves it says more.",
            f"{FIGURES}:start",
            (
                Choice("d", "Depth d", ("1", "3", "5", "7"), "3"),
                Choice("slice_", "The large factor is on the", (("first slice", "first"), ("middle slice", "middle")),
                       "first"),
                MOMENT, KERNEL,
            ),
        ),
        Step(
            "Wired by lot", "eq. 2",
            "In a DenseNet every layer hears all earlier ones, which is dear and repeats itself. Here each hears its "
            "predecessor and only a share α of the others, given by lot. The text of the paper calls α a rate of "
            "dropping, its equation a rate of keeping; this project follows the equation.",
            f"{FIGURES}:wiring",
            (
                Slider("alpha", "α, the share kept", 0, 1, 0.05, 0.7), Slider("layers", "Layers", 3, 14, 1, 8),
                DRAW,
            ),
            needs_clip=False,
        ),
        Step(
            "Pull together, push apart", "eq. 5",
            "The network is trained on pairs. Two clips of one class should get codes that point the same way; the "
            "second clips of all other classes should point elsewhere. Here the codes of two drawn clips of each class "
            "are let loose and follow the slope of the loss. Take more steps and watch the classes part.",
            f"{CODES}:pull_and_push",
            (Slider("steps", "Steps down the loss", 0, 40, 1, 0),),
        ),
        Step(
            "Known or unknown", "eq. 6, sec. III-D",
            "There is no classifier. The mean of a class's codes is its centre, kept in a repository, and a clip is "
            "what the nearest centre is, unless even that is farther away than γ. Then the honest answer is 'unknown'. "
            "Move γ and see when your clip stops being known.",
            f"{CODES}:judged",
            (Slider("gamma", "γ", 0, 1.5, 0.005, 0.3, "Farther than this is unknown."),),
            start=f"{CODES}:judged_start",
        ),
        Step(
            "Does the claim hold here?", "tables I to III",
            "The paper reports whole systems on other data. What has been found here about its single ideas, on clips "
            "that were not used for training, stands below.",
            "claims.figure:verdict",
            needs_clip=False,
        ),
    ),
)  # fmt: skip
