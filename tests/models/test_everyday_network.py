"""The everyday network: Kinetics' half as published, and one softmax for both halves."""

import math

import pytest
import torch

from actrec.models import i3d
from actrec.models.everyday import Everyday
from actrec.systems.everyday_names import LABELS, OWN, OWN_NAMES, PLACES
from actrec.weights.kinetics import KINETICS_400


def small(places=(1, 3, 4), classes=5) -> Everyday:
    """Three names of Kinetics, and three own ones of which the first means the same as Kinetics' second."""
    return Everyday(classes, places, published=3, generator=torch.Generator().manual_seed(0)).eval()


def test_probabilities_are_a_softmax_over_all_names_with_those_of_synonyms_added():
    network = small()
    code = torch.zeros(1, 1024)
    with torch.no_grad():
        network.trunk.logits.bias.copy_(torch.tensor([1.0, 2.0, 0.5]))
        network.own.bias.copy_(torch.tensor([0.0, 3.0, -1.0]))
        network.scale.fill_(2.0)
    parts = [math.exp(value) for value in (2.0, 4.0, 1.0, 0.0, 3.0, -1.0)]  # s₁ = 2 times Kinetics', then the own names
    expected = [parts[0], parts[1] + parts[3], parts[2], parts[4], parts[5]]
    answer = torch.softmax(network.scores(code), 1)[0].tolist()
    assert answer == pytest.approx([value / sum(parts) for value in expected], rel=1e-5)


def test_without_own_names_the_answer_is_the_published_networks():
    network, clip = small(), torch.rand(2, 3, 16, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    published = i3d.rgb(3).eval()
    published.load_state_dict(network.trunk.state_dict())
    with torch.no_grad():
        network.own.weight.zero_()
        network.own.bias.fill_(-1e4)
        assert torch.equal(network.code(clip), published.code(clip))
        ours, theirs = torch.softmax(network(clip), 1), torch.softmax(published(clip), 1)
    assert torch.allclose(ours[:, :3], theirs, atol=1e-6) and ours[:, 3:].max() < 1e-6


def test_the_classes_are_kinetics_in_its_order_then_the_own_names_that_it_lacks():
    assert LABELS[:400] == KINETICS_400 and len(set(LABELS)) == len(LABELS) == 421
    assert [LABELS[place] for place in PLACES] == [OWN_NAMES[name] or name for name in OWN]
    assert {name: LABELS[place] for name, place in zip(OWN, PLACES, strict=True) if place < 400} == {
        "clap": "clapping", "drink": "drinking", "read": "reading book", "squat": "squat", "jog": "jogging",
        "handshake": "shaking hands", "hug": "hugging", "punch": "punching person (boxing)",
    }  # fmt: skip
