"""The page: a title, a status strip, and the tabs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from demo import api
from demo.server.access import Gate, is_loopback, login, names_for, warning
from demo.server.gradio_patches import QUEUE, close_gradio, forget
from demo.server.services import EXAMPLES, Services
from demo.server.session_gate import SessionGate
from demo.server.visitor_files import VisitorFiles
from demo.shared import status_strip
from demo.shared.html import theme
from demo.shared.scripts import STYLE, page_script
from demo.tabs import clip, compare, embeddings, live, motion, papers, saliency, tailor, teach, train

TABS = {
    "Clip": clip.build,
    "Live": live.build,
    "Motion": motion.build,
    "Tailor": tailor.build,
    "Papers": papers.build,
    "Saliency": saliency.build,
    "Embeddings": embeddings.build,
    "Compare": compare.build,
    "Teach": teach.build,
    "Train": train.build,
}
MEGABYTES = 200


def build(services: Services) -> gr.Blocks:
    with gr.Blocks(title="Action recognition", analytics_enabled=False, delete_cache=(60, 3600)) as page:
        with gr.Row(elem_classes="header"):
            gr.Markdown(
                "# What is this person doing?\nFive papers on recognising human actions, at work on your own video."
            )
            gr.Button("Light / dark", size="sm", elem_id="theme", min_width=110)  # page.js
        status_strip.build(services, page)
        taught = gr.State(
            None
        )  # this visitor's own actions, an `actrec.recognition.taught.Taught`; set by Teach, used by other tabs
        for name, layout in TABS.items():
            with gr.Tab(name, id=name.lower(), elem_id=f"tab-{name.lower()}") as tab:
                layout(services, tab, taught)
        api.build(services, taught)
    return page


def serve(
    services: Services,
    host: str,
    port: int,
    files: VisitorFiles,
    password: str | None = None,
    names: Sequence[str] = (),
) -> gr.Blocks:
    """Serve the page behind its gate."""
    close_gradio()
    page = build(services)
    page.queue(default_concurrency_limit=4, max_size=QUEUE)
    sessions = page._queue.sessions
    sessions.on_forget = partial(forget, page)
    files.forget = sessions.forget
    gate = Middleware(Gate, names=names_for(host, list(names)), only_here=is_loopback(host), files=files)
    sessions_gate = Middleware(SessionGate, queue=page._queue, files=files)
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        auth=login(password) if password else None,
        auth_message="Any name, and the password that the page was started with.",
        app_kwargs={"middleware": [gate, sessions_gate], "docs_url": None, "redoc_url": None, "openapi_url": None},
        enable_monitoring=False,
        quiet=True,
        theme=theme(),
        css_paths=STYLE,
        js=page_script(),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        max_file_size=f"{MEGABYTES}mb",
        state_session_capacity=64,
        prevent_thread_lock=True,
        show_error=True,
        allowed_paths=[str(EXAMPLES)],
    )
    return page


def launch(services: Services, host: str, port: int, password: str | None = None, names: Sequence[str] = ()) -> None:
    """Serve the page until it is stopped.

    The weights load as soon as somebody can ask for the page. That makes the page a second later than it could be, and
    the first answer two seconds earlier: while a browser lays the page out, this process has nothing else to do.
    """
    page = serve(services, host, port, VisitorFiles(Path(os.environ["GRADIO_TEMP_DIR"])), password, names)
    print(f"The page is at {page.local_url}\n{warning(host, names)}".strip(), flush=True)
    services.start()
    try:
        page.block_thread()
    finally:
        services.close()
