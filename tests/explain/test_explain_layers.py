"""What leaves the layers of every network is brought back to the input, the place and the moment it came from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from actrec.core.errors import BadValue
from actrec.explain.activations import Activations, neuron_maps, of_views
from actrec.explain.layers import layer_named, layers_of, recorded
from actrec.explain.saliency import ClassSaliency
from actrec.models.torchvision_models import PREPARATIONS
from actrec.recognition.recognizer import Recognizer
from actrec.systems import SYSTEMS
from actrec.video import Clip
from actrec.weights.cards import Card

LIGHT = [name for name, system in SYSTEMS.items() if system.size == "light"]
PICTURES = ("frames", "rgb", "slow", "mid", "fast")  # inputs that hold the clip's own pictures


def untrained(name: str) -> ClassSaliency:
    torch.manual_seed(3)
    system = SYSTEMS[name]
    network = system.network(3)
    size = network.eval().code(**system.blank()).shape[1]
    rows = torch.nn.functional.normalize(torch.randn(3, size), dim=1).tolist()
    card = Card(name, name, ["a", "b", "c"], "nothing", "", 0, centres=dict(zip("abc", rows, strict=True)))
    return ClassSaliency(Recognizer(system, network, card, "cpu"))


def noise(seed: int = 0) -> Clip:
    frames = np.random.default_rng(seed).integers(0, 256, (60, 48, 64, 3), np.uint8)
    return Clip(frames, np.arange(60) / 12.5)


@pytest.mark.parametrize("name", LIGHT)
def test_maps_have_the_inputs_order_and_nothing_stays_in_the_network(name):
    saliency = untrained(name)
    system, network = saliency.recognizer.system, saliency.network
    views = system.protocols["one"].views(noise()) + system.protocols["one"].views(noise(1))
    inputs = system.tensors(views)
    for layer in layers_of(system, network):
        with recorded(network, layer, 2) as kept, torch.no_grad():
            network.code(**inputs)
        for each, maps in kept.maps().items():
            assert each in system.inputs and maps.shape[0] == 2 and maps.dim() == 5
            assert system.inputs[each].frames % maps.shape[2] == 0 or maps.shape[2] < system.inputs[each].frames
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("name", LIGHT)
def test_a_change_in_a_corner_shows_in_that_corner_of_the_lowest_maps(name):
    saliency = untrained(name)
    system, network = saliency.recognizer.system, saliency.network
    inputs = system.tensors(system.protocols["one"].views(noise()))
    layer = layers_of(system, network)[0]

    def maps() -> dict[str, torch.Tensor]:
        with recorded(network, layer, 1) as kept, torch.no_grad():
            network.code(**inputs)
        return kept.maps()

    before = maps()
    for each in before:
        frames = system.inputs[each].frames
        kept = inputs[each].clone()
        # The upper left, in the second half of the input; their mean over time, which some take away, stays as it was.
        moved = torch.randn(frames - frames // 2, generator=torch.Generator().manual_seed(1))
        inputs[each][:, :, frames // 2 :, :24, :24] += 3 * (moved - moved.mean()).view(-1, 1, 1)
        change = (maps()[each] - before[each]).abs()[0].sum(0)
        inputs[each] = kept
        height, width = change.shape[1:]
        # TEA's motion excitation weighs whole channels, so a tenth of the change is everywhere.
        there = 0.85 if name == "tea-light" else 0.95
        assert change[:, : height // 2, : width // 2].sum() > there * change.sum() > 0
        assert change[change.shape[0] // 2 :].sum() > 0.6 * change.sum()


@pytest.mark.parametrize("name", [name for name in LIGHT if set(SYSTEMS[name].inputs) & set(PICTURES)])
def test_a_views_frame_is_the_clips_frame_of_its_moment(name):
    """Frames as grey as their number: each picture of a view says which frame of the clip it is."""
    from actrec.explain.over_time import Windows

    count = 60
    frames = np.repeat(np.arange(count, dtype=np.uint8) * 4, 64 * 64 * 3).reshape(count, 64, 64, 3)
    clip = Clip(frames, np.arange(count) / 12.5)
    windows = Windows.of(SYSTEMS[name], clip)
    for view, place in zip(windows.views, range(len(windows.views)), strict=True):
        for picture in set(view) & set(PICTURES):
            seen = view[picture][0, :, 30, 30] / 4
            told = windows.seconds[picture][place] * 12.5
            assert np.abs(seen - np.floor(told + 1e-6)).max() <= 0.5, picture


def test_a_neuron_fires_as_its_maps_say():
    saliency = untrained("fstcn")
    views = saliency.recognizer.system.protocols["one"].views(noise())
    found = of_views(saliency, views)
    layer = layers_of(saliency.recognizer.system, saliency.network)[-1].name
    neuron = int(found.peaks[layer][0].argmax())
    with (
        recorded(saliency.network, layer_named(saliency.recognizer.system, saliency.network, layer), 1) as kept,
        torch.no_grad(),
    ):
        saliency.network.code(**saliency.recognizer.system.tensors(views))
    maps = torch.cat([each.amax((2, 3, 4)) for each in kept.maps().values()], 1)
    assert found.peaks[layer][0, neuron] == pytest.approx(float(maps.max()), rel=1e-5)
    shown = neuron_maps(saliency, views, layer, neuron)
    assert len(shown) == 1 and next(iter(shown.values())).max() > 0
    assert np.allclose(np.linalg.norm(found.codes, axis=1), 1, atol=1e-5)
    assert list(found.spaces) == ["spatial", "temporal", "spatio-temporal"]
    with pytest.raises(BadValue, match="neurons 0 to"):
        neuron_maps(saliency, views, layer, 10_000)


def test_the_clips_that_fire_a_neuron_most_come_first():
    peaks = np.array([[1.0, 5, 0], [3, 4, 0], [2, 9, 0], [0, 1, 0]])
    found = Activations(np.eye(4), {}, {"top": peaks})
    assert found.top("top", 0, 3) == [(1, 3.0), (2, 2.0), (0, 1.0)]
    assert found.telling("top", ("wave", "clap", "wave", "clap"), 2) == [(1, "wave", 2), (0, "clap", 1), (2, "clap", 0)]
    assert [found.rank("top", 1, peak) for peak in (10, 6, 0)] == [1, 2, 5]
    with pytest.raises(BadValue, match="There is: top"):
        found.top("bottom", 0)


def test_a_network_whose_layers_have_no_names_is_refused_in_words():
    name = next(iter(PREPARATIONS))
    with torch.device("meta"):
        network = SYSTEMS[name].network(400)
    with pytest.raises(BadValue, match=f"layers of '{name}' are not listed"):
        layers_of(SYSTEMS[name], network)
