"""Handlers have names for what goes in and comes out; Gradio gets components."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
import pytest

from demo.shared.outputs import as_inputs, as_outputs


@dataclass(frozen=True)
class Greeting:
    text: str
    count: int


@pytest.fixture
def boxes() -> dict[str, gr.components.Component]:
    with gr.Blocks():
        return {"count": gr.Number(), "text": gr.Textbox(), "other": gr.HTML()}


def test_a_result_reaches_the_components_of_its_names_and_leaves_the_others(boxes):
    handler, outputs = as_outputs(lambda name: Greeting(f"Hello {name}", 3), boxes)
    assert outputs == list(boxes.values())
    assert handler("you") == {boxes["text"]: "Hello you", boxes["count"]: 3}


def test_no_result_leaves_everything_as_it_is(boxes):
    handler, _ = as_outputs(lambda: None, boxes)
    assert set(handler()) == set(boxes.values()) and all(value == gr.skip() for value in handler().values())


def test_a_result_that_names_no_component_is_an_error(boxes):
    handler, _ = as_outputs(lambda: Greeting("Hello", 3), {"text": boxes["text"]})
    with pytest.raises(KeyError, match="count"):
        handler()


def test_the_values_of_many_inputs_come_by_name(boxes):
    handler, inputs = as_inputs(lambda values: values, boxes)
    assert inputs == list(boxes.values())
    assert handler(3, "Hello", "<p>") == {"count": 3, "text": "Hello", "other": "<p>"}
    with pytest.raises(ValueError, match="shorter"):
        handler(3, "Hello")


def test_gradio_finds_the_progress_and_the_event_behind_the_adapter(boxes):
    """They are asked for by the handler's own signature, which the adapter must not hide."""
    from gradio.helpers import special_args

    def handler(name: str, event: gr.EventData, progress: gr.Progress = gr.Progress()) -> Greeting:  # noqa: B008
        return Greeting(f"{name} {event.target}", 0)

    adapted, _ = as_outputs(handler, boxes)
    given, progress_at, _ = special_args(adapted, ["you"], None, gr.EventData("me", {}))[:3]
    assert isinstance(given[1], gr.EventData) and progress_at == 2
