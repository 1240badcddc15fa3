"""What goes into a handler of events and comes out of it has names, not places.

A handler returns a dataclass whose fields are named after the components that they change; one with many inputs takes
a dict of their values.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

import gradio as gr

if TYPE_CHECKING:
    from gradio.components import Component


def as_outputs(
    handler: Callable[..., object], components: Mapping[str, Component]
) -> tuple[Callable[..., dict], list[Component]]:
    """`handler` as Gradio calls it, and its outputs. The fields of its result name some of the components, and those
    that it leaves out stay as they are; None for a result leaves all of them."""

    @functools.wraps(handler)
    def call(*inputs: object, **more: object) -> dict | object:
        result = handler(*inputs, **more)
        if result is None:
            return {component: gr.skip() for component in components.values()}
        return {components[field.name]: getattr(result, field.name) for field in fields(result)}

    return call, list(components.values())


def as_inputs(
    handler: Callable[[dict[str, object]], object], components: Mapping[str, Component]
) -> tuple[Callable[..., object], list[Component]]:
    """A handler of named values as Gradio calls it, and its inputs."""

    def call(*values: object) -> object:
        return handler(dict(zip(components, values, strict=True)))

    return call, list(components.values())
