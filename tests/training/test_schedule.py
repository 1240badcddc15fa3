"""From a preset to the rates that an optimiser learns with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import small, some_views, train_here, write_films
from torch import nn

from actrec.core.number_formats import FLOAT32
from actrec.data.sources import Split
from actrec.systems import SYSTEMS, named
from actrec.training.distributed import World
from actrec.training.objective import Objective
from actrec.training.objective import objective as objective_of
from actrec.training.run import RunError
from actrec.training.schedule import chosen, make_optimiser, rate
from actrec.training.settings import Settings, command
from actrec.training.updates import Learner, Pieces
from actrec.training.whole_batch import Rows


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


def test_smoothed_labels_cost_a_sure_answer_its_part_of_the_other_classes():
    system = named("asym3d")
    scores = torch.log(torch.tensor([[0.7, 0.2, 0.1]]))
    costs = []
    for smoothing in (0.0, 0.3):  # 0.3: the target is 0.8, 0.1, 0.1
        schedule = replace(system.schedules["scratch"], label_smoothing=smoothing)
        costs.append(float(Objective(system, schedule, FLOAT32).entropy(scores, torch.tensor([0]))))
    expected = [-np.log(0.7), -(0.8 * np.log(0.7) + 0.1 * np.log(0.2) + 0.1 * np.log(0.1))]
    assert costs == pytest.approx(expected, rel=1e-5)
    names = {"asym3d": (0.05, 0.1), "fstcn": (0.05, 0.1), "mdtnet": (0.05, 0.1), "crossenh": (0.05, 0.1)}
    for name, smoothings in names.items():
        schedules = named(name).schedules
        assert (schedules["scratch"].label_smoothing, schedules["fine-tune"].label_smoothing) == smoothings


def test_sgd_has_the_schedules_momentum_and_biases_and_norms_do_not_decay():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    schedule = replace(named("asym3d-paper").schedules["paper"], momentum=0.9, weight_decay=5e-4)
    decays = {}
    for group in make_optimiser(network, schedule).param_groups:
        assert group["momentum"] == 0.9
        decays |= {id(parameter): group["weight_decay"] for parameter in group["params"]}
    assert {name: decays[id(parameter)] for name, parameter in network.named_parameters()} == {
        "0.weight": 5e-4, "0.bias": 0.0, "1.weight": 0.0, "1.bias": 0.0,
    }  # fmt: skip


# --- an unbalanced set, and a steep gradient ------------------------------------------------------

UNBALANCED = Split(np.array([0, 0, 0, 0, 0, 1, 1]), lambda index: None)  # five clips of one class, two of the other


def epoch(name: str, preset: str, seed: int = 0, **changes: object) -> np.ndarray:
    """The clips of one epoch of a preset, in their order, one clip at a time."""
    system = named(name)
    schedule = chosen(system, Settings(name, "clips", "x", preset=preset, **changes))
    goal = objective_of(system, schedule, FLOAT32)
    clips = np.concatenate(list(goal.batches(UNBALANCED, 1, np.random.default_rng(seed))))
    assert goal.steps(UNBALANCED, 1) == len(clips)
    return clips


@pytest.mark.parametrize("name", ["mdtnet-paper", "tsn", "fstcn-paper", "c3d-b8", "crossenh-paper", "i3d-rgb"])
def test_in_a_papers_preset_every_clip_is_seen_once_in_an_epoch(name):
    assert sorted(epoch(name, "scratch")) == [0, 1, 2, 3, 4, 5, 6]
    assert epoch(name, "scratch", 0).tolist() != epoch(name, "scratch", 1).tolist()


@pytest.mark.parametrize("name", ["mdtnet", "fstcn", "asym3d", "crossenh"])
@pytest.mark.parametrize("preset", ["scratch", "fine-tune"])
def test_in_a_light_preset_rare_classes_repeat_until_all_have_as_many(name, preset):
    order = epoch(name, preset)
    assert len(order) == 10 and np.bincount(order, minlength=7)[:5].tolist() == [1] * 5
    assert sorted(np.bincount(order, minlength=7)[5:]) == [2, 3]  # five draws of two clips
    assert all(set(UNBALANCED.targets[pair]) == {0, 1} for pair in order.reshape(5, 2))  # classes take turns


def test_whoever_asks_gets_the_other_order():
    assert len(epoch("mdtnet-paper", "paper", balanced="yes")) == 10
    assert sorted(epoch("mdtnet", "scratch", balanced="no")) == [0, 1, 2, 3, 4, 5, 6]


def step(longest: float) -> list[float]:
    """How far one step of plain SGD at rate 1 moves four weights whose gradients are 1000 each: a length of 2000."""

    class Steep(Objective):
        def loss(self, network, inputs, targets):
            return 1000 * network.weight.sum(), 0

    system, network = named("asym3d"), nn.Linear(4, 1, bias=False)
    schedule = replace(system.schedules["scratch"], longest_gradient=longest)
    before = network.weight.detach().clone()
    learner = Learner(
        system, network, Steep(system, schedule, FLOAT32), torch.optim.SGD(network.parameters(), lr=1.0), FLOAT32,
        World(), torch.device("cpu"), Rows(), Pieces(2, lambda before, now: None),
    )  # fmt: skip
    views, targets = some_views(system, 2)
    learner.update(views, targets, 2, 0, 1.0)
    return (before - network.weight.detach()).flatten().tolist()


def test_a_huge_gradient_is_shortened_to_five_or_followed_whole():
    assert step(5.0) == pytest.approx([2.5] * 4, rel=1e-4)  # four times 2.5² is 5²
    assert step(0.0) == pytest.approx([1000.0] * 4, rel=1e-4)
    assert step(4000.0) == pytest.approx([1000.0] * 4, rel=1e-4)


def test_a_step_moves_the_last_layer_ten_times_as_far():
    class Plain(Objective):
        def loss(self, network, inputs, targets):
            return sum(layer.weight.sum() for layer in network), 0

    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    system = named("asym3d")
    schedule = replace(
        system.schedules["scratch"], optimiser="sgd", momentum=0.0, weight_decay=0.0, last_layer=10.0,
        longest_gradient=0.0,
    )  # fmt: skip
    before = [layer.weight.detach().clone() for layer in network]
    learner = Learner(
        system, network, Plain(system, schedule, FLOAT32), make_optimiser(network, schedule), FLOAT32, World(),
        torch.device("cpu"), Rows(), Pieces(2, lambda before, now: None),
    )  # fmt: skip
    views, targets = some_views(system, 2)
    learner.update(views, targets, 2, 0, 0.01)
    moved = [float((old - layer.weight.detach()).mean()) for old, layer in zip(before, network, strict=True)]
    assert moved == pytest.approx([0.01, 0.1], rel=1e-4)


@pytest.mark.parametrize("name", SYSTEMS)
def test_papers_presets_shorten_nothing_and_repeat_nothing_and_the_light_ones_do_both(name):
    system = SYSTEMS[name]
    for preset, schedule in system.schedules.items():
        conditions = (schedule.longest_gradient, schedule.balanced)
        if system.size == "light":
            assert conditions == (5.0, True), preset
        else:  # the N-pair loss wants two clips of each class in a batch (MS3D, eq. 5)
            assert conditions == (0.0, system.loss == "n-pair"), preset


def test_both_are_options_of_a_training_in_its_log_and_on_its_card(tmp_path):
    films = write_films(tmp_path / "films", 4)
    run = train_here(tmp_path / "run", small(films, epochs=1, balanced="no", longest_gradient=0.0))
    (started,) = (event for event in run.events() if event["event"] == "started")
    assert (started["balanced"], started["longest_gradient"]) == (False, 0.0)
    assert "--longest-gradient 0.0 --balanced no" in command(run.settings())
    usual = small(films)
    assert (chosen(named("asym3d"), usual).longest_gradient, chosen(named("asym3d"), usual).balanced) == (5.0, True)
    assert "--balanced" not in command(usual) and "--longest-gradient" not in command(usual)
    with pytest.raises(RunError, match="--longest-gradient is 0 or more, not -1"):
        chosen(named("asym3d"), small(films, longest_gradient=-1.0))
