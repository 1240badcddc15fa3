"""From a preset to the rates that an optimiser learns with."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from actrec.core.number_formats import FLOAT32
from actrec.systems import named
from actrec.training.objective import objective as objective_of
from actrec.training.schedule import make_optimiser, rate


def test_in_the_papers_fine_tuning_the_last_layer_learns_ten_times_as_fast():
    """Asymmetric 3D-CNN, sec. 4.6; one step of SGD without decay or momentum moves by rate times gradient."""
    schedule = named("asym3d-paper").schedules["paper-fine-tune"]
    assert schedule.last_layer == 10
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    optimiser = make_optimiser(network, replace(schedule, weight_decay=0.0, momentum=0.0))
    before = [parameter.clone() for parameter in network.parameters()]
    network(torch.ones(4, 3)).sum().backward()
    for group in optimiser.param_groups:
        group["lr"] = 0.01 * group["times"]
    optimiser.step()
    for place, (parameter, old) in enumerate(zip(network.parameters(), before, strict=True)):
        rate = 0.1 if place >= 2 else 0.01
        torch.testing.assert_close(parameter, old - rate * parameter.grad)
    assert [group["times"] for group in make_optimiser(network, replace(schedule, last_layer=1.0)).param_groups] == [
        1,
        1,
    ]


def test_a_cosine_runs_once_over_each_stage():
    """Twelve epochs of cross-enhancement: six for the streams, four for the student, two for the fusion layer."""
    system = named("crossenh")
    schedule = replace(system.schedules["scratch"], rate=1.0, epochs=12)
    objective = objective_of(system, schedule, FLOAT32)
    spans = [objective.span(epoch) for epoch in range(12)]
    assert spans == [(0, 6)] * 6 + [(6, 10)] * 4 + [(10, 12)] * 2
    assert [round(rate(schedule, epoch, spans[epoch]), 2) for epoch in (3, 8, 11)] == [0.5, 0.5, 0.5]
    assert rate(schedule, 6, spans[6]) < 0.01 < 0.9 < rate(schedule, 6.5, spans[6])
    assert rate(schedule, 9.99, spans[9]) < 0.001
