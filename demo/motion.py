"""The Motion tab: every motion clue the five papers draw from a clip, each as a picture and as a video."""

from __future__ import annotations

from functools import partial

import gradio as gr

from demo.files import discard, fresh_file
from demo.lab import EXAMPLES, Lab, name_of
from demo.look import figures
from demo.toast import told, warn

# What a viewer sees, in words; the equations are those of the papers.
CAPTIONS = {
    "difference": "Frame difference: what changed from one frame to the next. FstCN feeds on |V(t) − V(t + 9)|.",
    "variance_rate": "Variance rate, MS3D eq. 1: when something happens, and the 7, 17 and 25 frames drawn there.",
    "salience": "Motion salience, MDT-Net: Fourier over time, the constant part removed; bright is moving.",
    "flow": "Optical flow: the colour says which way a pixel goes, its strength how far.",
    "rgbf": "RGBF, Asymmetric 3D-CNN eq. 7: the picture times how much each pixel moves.",
    "trajectories": "Improved dense trajectories: points followed for 15 frames, the camera's own motion taken away.",
    "tailor": "Tailor, MS3D: the window (red) around the people (green); where no detector is found, what moves.",
}
METHODS = ("dis", "farneback", "tvl1", "brox")
SECONDS, FPS, SIDE = 5.0, 15.0, 160


def look(lab: Lab, path: str | None, method: str, seed: float) -> tuple[str, dict, object]:
    """A clip in; a page of pictures, the clues behind them and what may be watched out."""
    if not path:
        warn("Choose a video first: upload one or take an example.")
        return gr.skip(), gr.skip(), gr.skip()
    try:
        with told():
            clip = lab.read(path, short_side=SIDE, stop=SECONDS)
            clues = lab.clues(clip.at_rate(min(clip.fps or FPS, FPS)), method, int(seed or 0))
    except gr.Error:
        discard(path)
        raise
    shown = figures(
        (clue.picture, f"{CAPTIONS[name]} Here: {clue.found}. ({clue.milliseconds:.0f} ms)")
        for name, clue in clues.items()
    )
    return shown, clues, gr.Radio(list(clues), value="salience", interactive=True)


def watch(lab: Lab, name: str | None, clues: dict | None) -> str | None:
    """One clue as a video."""
    if not clues or name not in clues:
        return None
    with told():
        return lab.clue_video(clues[name], fresh_file(f"{name}.mp4"))


def build(lab: Lab, tab: gr.Tab, taught: gr.State) -> None:
    """Lay the tab out inside the caller's `gr.Tab` and wire it."""
    gr.Markdown(f"What moves in a clip, and how each paper sees it: the first {SECONDS:.0f} seconds of yours.")
    with gr.Row():
        with gr.Column():
            video = gr.Video(label="Your clip", sources=["upload"], elem_id="motion-video", height=260)
            with gr.Row(elem_classes="examples"):
                examples = [
                    (
                        path,
                        gr.Button(name_of(path), size="sm", min_width=60, elem_id=f"motion-{path.stem}"),
                    )
                    for path in sorted(EXAMPLES.glob("*.mp4"))
                ]
        with gr.Column():
            method = gr.Radio(
                METHODS,
                value="dis",
                label="Optical flow",
                info="DIS is what runs live; TV-L1 and Brox are the papers' and take seconds.",
                elem_id="motion-flow",
            )
            seed = gr.Number(
                0, precision=0, label="Draw", info="Another number draws other frames by p(z).", elem_id="motion-seed"
            )
            button = gr.Button("Show the motion", variant="primary", elem_id="motion-show")
            which = gr.Radio([], label="Watch as video", info="Pick a clue.", elem_id="motion-which")
            film = gr.Video(
                interactive=False, autoplay=True, loop=True, label="The clue over time", elem_id="motion-film"
            )
    shown = gr.HTML(elem_id="motion-figures")
    clues = gr.State(None, time_to_live=600)
    compute = {"api_visibility": "private", "concurrency_id": "compute", "concurrency_limit": 2}
    outputs = [shown, clues, which]
    asked = button.click(partial(look, lab), [video, method, seed], outputs, **compute)
    asked.then(partial(watch, lab), [which, clues], film, **compute)
    asked.failure(lambda: None, None, video, api_visibility="private", show_progress="hidden")
    which.input(partial(watch, lab), [which, clues], film, **compute)
    for path, each in examples:
        each.click(partial(str, path), None, video, api_visibility="private").then(
            partial(look, lab), [video, method, seed], outputs, **compute
        ).then(partial(watch, lab), [which, clues], film, **compute)
