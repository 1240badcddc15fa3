"""The page: a title, a status line, a tab for every way to look at an action."""

from __future__ import annotations

import gradio as gr

from demo import clip, compare, live, motion, teach, train
from demo.lab import EXAMPLES, Lab
from demo.look import CSS, theme

TABS = {
    "Clip": clip.build,
    "Live": live.build,
    "Motion": motion.build,
    "Compare": compare.build,
    "Teach": teach.build,
    "Train": train.build,
}
MEGABYTES = 200


def build(lab: Lab) -> gr.Blocks:
    with gr.Blocks(title="Action recognition", analytics_enabled=False, delete_cache=(60, 3600)) as page:
        gr.Markdown(
            "# What is this person doing?\nFive papers on recognising human actions, at work on your own video."
        )
        status = gr.Markdown(lab.say(), elem_id="status")
        taught = gr.State(
            None
        )  # this visitor's own actions, an `actrec.taught.Taught`; made in Teach, asked by other tabs
        for name, layout in TABS.items():
            with gr.Tab(name, id=name.lower(), elem_id=f"tab-{name.lower()}") as tab:
                layout(lab, tab, taught)
        ticks = gr.Timer(1.0)
        ticks.tick(lambda: _status(lab), None, [status, ticks], show_progress="hidden", api_visibility="private")
    return page


def _status(lab: Lab) -> tuple[str, gr.Timer]:
    """The status line, and whether it is still worth asking for."""
    return lab.say(), gr.Timer(active=not lab.ready)


def launch(lab: Lab, host: str, port: int) -> None:
    """Serve the page until it is stopped. The weights load once the page is up."""
    page = build(lab)
    page.queue(default_concurrency_limit=4)
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        theme=theme(),
        css=CSS,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        max_file_size=f"{MEGABYTES}mb",
        state_session_capacity=64,
        prevent_thread_lock=True,
        show_error=True,
        allowed_paths=[str(EXAMPLES)],
    )
    lab.start()
    try:
        page.block_thread()
    finally:
        lab.close()
