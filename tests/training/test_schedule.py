"""From a preset to the rates that an optimiser learns with."""

from __future__ import annotations

from dataclasses import replace

import pytest
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


TABLE_2 = {
    "SCL": ("fstcn-scl", {}), "TCL": ("fstcn-tcl", {}), "both": ("fstcn-paper", {}),
    "SCL, at once": ("fstcn-scl", {"stages": "pairs"}), "both, at once": ("fstcn-paper", {"stages": "pairs"}),
    "path=scl": ("fstcn-paper", {"path": "scl"}), "one kernel": ("fstcn-tcl-3", {}),
    "path=tcl": ("fstcn-paper", {"path": "tcl", "stages": "pairs"}),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE_2)
def test_the_whole_network_of_every_row_of_fstcns_table_2_learns_at_the_same_rates(row):
    """60 epochs: 30 at 1e-2, 20 at 1e-3, 10 at 1e-4, however long single frames were learned before."""
    system = named(TABLE_2[row][0], TABLE_2[row][1])
    objective = objective_of(system, system.schedules["paper"], FLOAT32)
    rates = [
        round(rate(system.schedules["paper"], epoch + step, objective.span(epoch)), 9)
        for epoch in range(system.schedules["paper"].epochs)
        if objective.last_stage(epoch)
        for step in (0.0, 0.99)
    ]
    assert rates == [1e-2] * 60 + [1e-3] * 40 + [1e-4] * 20


def test_single_frames_have_fifteen_epochs_twice_at_the_full_rate_before_that():
    system = named("fstcn-paper")
    schedule = system.schedules["paper"]
    objective = objective_of(system, schedule, FLOAT32)
    stages = [objective.stage(epoch) for epoch in range(schedule.epochs)]
    assert stages == ["pictures"] * 15 + ["last layers"] * 15 + ["pairs"] * 60
    assert [objective.last_stage(epoch) for epoch in (0, 14, 29, 30, 89)] == [False, False, False, True, True]
    assert {rate(schedule, epoch, objective.span(epoch)) for epoch in range(30)} == {1e-2}
    started = objective_of(system, schedule, FLOAT32, started=True)  # from ImageNet: no pictures of our own
    assert [started.stage(epoch) for epoch in (0, 29, 30)] == ["last layers", "last layers", "pairs"]


def test_the_light_rows_have_a_cosine_of_sixteen_epochs_with_and_without_single_frames():
    rows = []
    for stages in ("pairs", "auxiliary"):
        system = named("fstcn", {"stages": stages})
        schedule = system.schedules["scratch"]
        objective = objective_of(system, schedule, FLOAT32)
        epochs = [epoch for epoch in range(schedule.epochs) if objective.last_stage(epoch)]
        rows.append([round(rate(schedule, epoch + 0.5, objective.span(epoch)), 9) for epoch in epochs])
        assert [schedule.epochs, len(epochs)] == {"pairs": [16, 16], "auxiliary": [24, 16]}[stages]
    assert rows[0] == rows[1]


def test_steps_are_counted_in_the_epochs_of_their_stage():
    schedule = replace(named("fstcn-paper").schedules["paper"], rate=8.0, at=(2, 4), divide=2.0)
    assert [rate(schedule, epoch, (10, 20)) for epoch in (10, 11.9, 12, 13.9, 14, 19)] == [8, 8, 4, 4, 2, 2]
