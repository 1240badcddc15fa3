"""How cross-enhancement trains: its stages, their rates, who learns from whom, and the best of nine bridges."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_runs import some_views
from test_options import cut_after, events, trained
from torch import nn

from actrec.__main__ import main
from actrec.core.number_formats import FLOAT32
from actrec.models.crossenh import BRIDGES, Distillation
from actrec.recognition.recognizer import Recognizer
from actrec.systems import named
from actrec.training.distributed import World
from actrec.training.event_log import event_of
from actrec.training.objective import CrossEnhancement, Judged, objective
from actrec.training.run import Run
from actrec.training.run_log import curves, facts
from actrec.training.schedule import make_optimiser, rate
from actrec.training.state import Kept
from actrec.training.updates import Learner, Pieces
from actrec.training.whole_batch import Rows
from actrec.weights.cards import Card


def goal_of(system: str = "crossenh", epochs: int = 12, **options: object) -> CrossEnhancement:
    chosen = named(system, options)
    return objective(chosen, replace(chosen.schedules["scratch"], epochs=epochs), FLOAT32)


def plain_network(goal: CrossEnhancement, seed: int = 0) -> nn.Module:
    """The network in training, three classes, without dropout."""
    torch.manual_seed(seed)
    network = goal.build(3)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def batch(system: str = "crossenh", count: int = 2) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    views, targets = some_views(named(system), count)
    return named(system).tensors(views), torch.from_numpy(targets)


def copied(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


# --- stages and rates -----------------------------------------------------------------------------


def lengths(goal: CrossEnhancement) -> list[tuple[str, int]]:
    """The stages in order, each with its number of epochs."""
    stages = [goal.stage(epoch) for epoch in range(goal.epochs)]
    return [(stage, stages.count(stage)) for stage in dict.fromkeys(stages)]


def test_a_fresh_student_learns_as_long_as_the_streams_and_a_trained_one_a_third_of_the_epochs():
    assert lengths(goal_of("crossenh-paper", 40)) == [("streams", 17), ("student", 17), ("fusion", 6)]
    assert lengths(goal_of("crossenh-paper", 40, student="trained")) == [
        ("streams", 20),
        ("student", 14),
        ("fusion", 6),
    ]
    assert lengths(goal_of(epochs=12)) == [("streams", 6), ("student", 4), ("fusion", 2)]
    assert lengths(goal_of(epochs=12, student="fresh", last="complete")) == [
        ("streams", 5), ("student", 5), ("complete", 2),
    ]  # fmt: skip
    assert lengths(goal_of(epochs=12, bridge="none", student="fresh")) == [("streams", 6), ("fusion", 6)]
    for student in ("fresh", "trained"):
        assert lengths(goal_of(epochs=3, student=student)) == [("streams", 1), ("student", 1), ("fusion", 1)]
        assert lengths(goal_of(epochs=2, student=student)) == [("streams", 1), ("fusion", 1)]
        assert lengths(goal_of(epochs=1, student=student)) == [("streams", 1)]


def test_nine_students_share_the_streams_and_the_last_stage():
    goal = goal_of("crossenh-paper", 40, bridge="best")
    students = [(f"student {letter}", 17) for letter in "abcdefghi"]
    assert lengths(goal) == [("streams", 17), *students, ("fusion", 6)]
    assert goal.epochs == 17 + 9 * 17 + 6
    assert [goal.last_stage(epoch) for epoch in (0, 17, 169, 170, 175)] == [False, False, False, True, True]
    assert goal.span(20) == (17, 34) and goal.span(34) == (34, 51)


def test_every_stage_of_the_papers_training_starts_at_its_rate_of_0_001():
    """A tenth of it from a stage's 20th epoch on, a hundredth from its 30th; the last stage has 16 epochs."""
    goal = goal_of("crossenh-paper", named("crossenh-paper").schedules["paper"].epochs)
    assert (goal.schedule.rate, goal.schedule.at, goal.schedule.optimiser) == (0.001, (20, 30), "sgd")
    assert (goal.schedule.momentum, goal.schedule.weight_decay, goal.schedule.batch) == (0.9, 0.0005, 6)
    assert lengths(goal) == [("streams", 40), ("student", 40), ("fusion", 16)]
    of_40 = [1e-3] * 20 + [1e-4] * 10 + [1e-5] * 10
    rates = [rate(goal.schedule, epoch, goal.span(epoch)) for epoch in range(96)]
    assert rates == pytest.approx([*of_40, *of_40, *[1e-3] * 16])
    alone = named("two-stream").schedules["paper"]
    assert [rate(alone, epoch, (0, alone.epochs)) for epoch in range(40)] == pytest.approx(of_40)


# --- what learns ----------------------------------------------------------------------------------

LEARNS = {
    # stage, teacher → what changes in a step, batch norms' statistics included
    ("streams", "flow"): ("streams.rgb.", "streams.flow."),
    ("streams", "rgb"): ("streams.rgb.", "streams.flow."),
    ("student", "flow"): ("streams.rgb.", "bridge."),
    ("student", "rgb"): ("streams.flow.", "bridge."),
    ("fusion", "flow"): ("fusion_layer.",),
    ("complete", "flow"): ("streams.rgb.", "streams.flow.", "fusion_layer."),
}


@pytest.mark.parametrize(("stage", "teacher"), LEARNS)
def test_a_step_changes_what_its_stage_trains_and_nothing_else(stage, teacher):
    goal = goal_of(epochs=3, teacher=teacher, bridge="c", last="complete" if stage == "complete" else "fusion")
    network = plain_network(goal)
    optimiser = make_optimiser(network, replace(goal.schedule, optimiser="sgd", rate=0.1))
    epoch = next(epoch for epoch in range(3) if goal.stage(epoch) == stage)
    assert goal.begin(network, epoch) == stage
    before = copied(network)
    inputs, targets = batch(count=4)
    goal(network, inputs, targets)[0].backward()
    optimiser.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    for part in LEARNS[stage, teacher]:
        names = {name for name in before if name.startswith(part)}
        assert names and names <= changed, part
    assert all(name.startswith(LEARNS[stage, teacher]) for name in changed)
    if stage != "fusion":
        assert any("running_mean" in name for name in changed)


def test_the_default_teachers_are_those_of_table_3():
    """Flow teaches RGB on HMDB-51 and UCF-101 (sec. 3.1), RGB teaches flow on Kinetics (sec. 3.2)."""
    for system, teacher, student in (
        ("crossenh", "flow", "rgb"), ("crossenh-paper", "flow", "rgb"), ("crossenh-paper-flow", "rgb", "flow"),
    ):  # fmt: skip
        goal = goal_of(system, 12)
        with torch.device("meta"):
            network = goal.build(3)
        goal.begin(network, 6)
        assert goal.now == "student" and (network.teacher, network.student) == (teacher, student)
        assert all(
            p.requires_grad == (name == student) for name in network.streams for p in network.streams[name].parameters()
        )


def test_alpha_weighs_the_first_bridge_beta_the_second_and_gamma_the_entropy():
    """Mean squares of 4 and of 9, and the entropy of three equal scores, log 3."""
    goal = goal_of(epochs=3, alpha=2, beta=3, gamma=0.5, bridge="a")
    network = plain_network(goal)
    goal.begin(network, 1)
    first = torch.full((2, 5, 1, 2, 2), 2.0), torch.zeros(2, 5, 1, 2, 2)
    end = torch.full((2, 7), 1.0), torch.full((2, 7), 4.0)
    network.distil = lambda **inputs: Distillation((first[0], end[0]), (first[1], end[1]), torch.zeros(2, 3))
    loss, right = goal(network, {}, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(2 * 4 + 3 * 9 + 0.5 * math.log(3))
    assert right == 1  # of equal scores the first class is named


def test_fused_scores_are_what_the_last_stages_learn_from():
    for last in ("fusion", "complete"):
        goal = goal_of(epochs=3, last=last)
        network = plain_network(goal)
        goal.begin(network, 2)
        inputs, targets = batch()
        scores = network(**inputs)
        smoothed = nn.functional.cross_entropy(scores, targets, label_smoothing=goal.schedule.label_smoothing)
        assert goal(network, inputs, targets)[0].item() == pytest.approx(smoothed.item(), rel=1e-5)


# --- each stream alone ----------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["two-stream-light", "crossenh"])
def test_each_stream_gets_the_gradient_that_it_would_get_alone(system):
    goal = goal_of(system, 12)
    network = plain_network(goal)
    assert goal.begin(network, 0) == ("streams" if system == "crossenh" else "all")
    inputs, targets = batch()
    goal(network, inputs, targets)[0].backward()
    smoothing = goal.schedule.label_smoothing
    for name in ("rgb", "flow"):
        ours = {key: p.grad.clone() for key, p in network.streams[name].named_parameters()}
        stream = plain_network(goal).streams[name].train()
        nn.functional.cross_entropy(stream(inputs[name]), targets, label_smoothing=smoothing).backward()
        for key, parameter in stream.named_parameters():
            torch.testing.assert_close(ours[key], parameter.grad, msg=f"{name}.{key}")


@pytest.mark.parametrize("system", ["two-stream-light", "crossenh"])
def test_a_stream_with_a_long_gradient_does_not_shorten_the_other_ones_step(system):
    """With gradients shortened together, a flow gradient of 1000 would leave RGB a two-hundredth of its step."""
    after = {}
    for stretched in (1.0, 1e4):
        goal = goal_of(system, 12)
        goal.schedule = replace(goal.schedule, optimiser="sgd", momentum=0.0)
        network = plain_network(goal)
        with torch.no_grad():
            network.streams["flow"].logits.weight.mul_(stretched)
        views, targets = some_views(goal.system, 4)
        learner = Learner(
            goal.system, network, goal, make_optimiser(network, goal.schedule), FLOAT32, World(), torch.device("cpu"),
            Rows(), Pieces(4, lambda before, now: None),
        )  # fmt: skip
        learner.begin(0)
        learner.update(views, targets, 4, seed=0, rate=0.1)
        after[stretched] = {name: value.clone() for name, value in network.streams["rgb"].state_dict().items()}
        length = torch.cat([p.grad.flatten() for p in network.streams["flow"].parameters()]).norm()
        assert length <= 5.001  # each is shortened by itself
    assert all(torch.equal(value, after[1e4][name]) for name, value in after[1.0].items())


# --- a fresh student, the better teacher, the best bridge ------------------------------------------


def changed_by(network: nn.Module, amount: float) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(amount)


@pytest.mark.parametrize("teacher", ["flow", "rgb"])
@pytest.mark.parametrize("student", ["fresh", "trained"])
def test_a_fresh_student_goes_back_to_its_start_and_its_teacher_does_not(tmp_path, teacher, student):
    goal, kept = goal_of(epochs=12, teacher=teacher, student=student), Kept(tmp_path, World())
    network = plain_network(goal)
    start = copied(network.streams)
    goal.begin(network, 0)
    goal.enter(network, 0, kept)
    changed_by(network, 0.5)
    goal.enter(network, 0, kept)  # again, as after a change of the batch: the start stays
    trained_streams = copied(network.streams)
    entry = goal.lengths()[0]
    goal.begin(network, entry)
    goal.enter(network, entry, kept)
    for name, value in network.streams.state_dict().items():
        goes_back = student == "fresh" and name.startswith(f"{network.student}.")
        assert torch.equal(value, (start if goes_back else trained_streams)[name]), name


@pytest.mark.parametrize("student", ["fresh", "trained"])
def test_nine_students_start_alike_and_the_best_one_goes_on(tmp_path, student):
    goal, kept = goal_of(epochs=12, bridge="best", student=student), Kept(tmp_path, World())
    network = plain_network(goal)
    start = copied(network.streams)
    goal.begin(network, 0)
    goal.enter(network, 0, kept)
    changed_by(network, 0.5)
    trained_streams = copied(network.streams)
    goal.leave(network, goal.lengths()[0] - 1, {"rgb": Judged(0.4, 1.0), "flow": Judged(0.6, 1.0)}, kept)
    # c and g are right as often; g is surer of it
    poor = (0.1, 2.0)
    judged = [(0.5, 1.0), (0.6, 1.2), (0.7, 0.9), poor, poor, poor, (0.7, 0.8), (0.7, 0.85), (0.2, 0.1)]
    figures = dict(zip("abcdefghi", judged, strict=True))
    ends = {}
    for number, (letter, figure) in enumerate(figures.items()):
        first, length = goal.lengths()[0] + number * goal.lengths()[1], goal.lengths()[1]
        assert goal.begin(network, first) == f"student {letter}"
        assert network.positions == BRIDGES[letter] and network.bridge.letter == letter
        goal.enter(network, first, kept)
        for name, value in network.streams.state_dict().items():
            fresh = student == "fresh" and name.startswith("rgb.")
            assert torch.equal(value, (start if fresh else trained_streams)[name]), (letter, name)
        with torch.no_grad():
            for parameter in network.streams["rgb"].parameters():
                parameter.add_(number + 1)
        ends[letter] = copied(network.streams["rgb"])
        goal.leave(network, first + length - 1, {"rgb": Judged(*figure), "flow": Judged(0.9, 0.1)}, kept)
    last = goal.epochs - 2
    assert goal.begin(network, last) == "fusion" and network.bridge is None
    goal.enter(network, last, kept)
    assert all(torch.equal(value, ends["g"][name]) for name, value in network.streams["rgb"].state_dict().items())
    table = json.loads((tmp_path / "bridges.json").read_text())
    assert {letter: row["accuracy"] for letter, row in table["bridges"].items()} == {
        k: v[0] for k, v in figures.items()
    }
    assert goal.measured({"rgb": 0.65, "flow": 0.6}) == {
        "teacher": "flow", "student": "rgb", "student_before": 0.4, "student_after": 0.65, "bridge": "g",
        "bridges": {letter: figure[0] for letter, figure in figures.items()},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rgb", "flow", "teacher"),
    [((0.5, 1.0), (0.6, 2.0), "flow"), ((0.7, 1.0), (0.6, 0.5), "rgb"), ((0.6, 0.9), (0.6, 1.0), "rgb"),
     ((0.6, 1.0), (0.6, 1.0), "flow")],
)  # fmt: skip
def test_the_stream_that_validates_better_teaches_when_asked_for(tmp_path, rgb, flow, teacher):
    goal, kept = goal_of(epochs=12, teacher="better"), Kept(tmp_path, World())
    network = plain_network(goal)
    goal.begin(network, 5)
    goal.leave(network, 5, {"rgb": Judged(*rgb), "flow": Judged(*flow)}, kept)
    goal.begin(network, 6)
    assert network.teacher == teacher and network.student == {"rgb": "flow", "flow": "rgb"}[teacher]
    assert {
        name
        for name, p in network.streams.named_parameters()
        if p.requires_grad and not name.startswith(network.student)
    } == set()
    chosen = goal_of(epochs=12, teacher="flow")  # who was chosen by name stays
    chosen.leave(network, 5, {"rgb": Judged(0.9, 0.1), "flow": Judged(0.1, 0.9)}, kept)
    assert chosen.teacher() == "flow"


def test_each_option_reaches_the_network_in_training_and_no_other():
    default = goal_of(epochs=3).build(3)
    assert (default.second, default.fusion, default.positions) == ("code", "scores", BRIDGES["e"])
    other = goal_of(epochs=3, second="scores").build(3)
    assert (other.second, other.fusion, other.positions) == ("scores", "scores", BRIDGES["e"])
    other = goal_of(epochs=3, fusion="codes").build(3)
    assert (other.second, other.fusion, other.fusion_layer.in_features) == ("code", "codes", 2 * other.code_length)
    other = goal_of(epochs=3, bridge="g").build(3)
    assert (other.second, other.fusion, other.positions) == ("code", "scores", BRIDGES["g"])
    assert default.code_length == 240  # a light stream's last channels: 88 + 88 + 32 + 32


def test_nothing_that_training_chooses_changes_how_a_network_answers():
    default = named("crossenh")
    shapes = {name: value.shape for name, value in default.network(3).state_dict().items()}
    views = default.protocols["one"].views(clip())[0]
    for name, option in default.options.items():
        for value in option.values or (0.5,):
            system = named("crossenh", {name: value})
            assert all(
                np.array_equal(view, views[key]) for key, view in system.protocols["one"].views(clip())[0].items()
            )
            state = {key: tensor.shape for key, tensor in system.network(3).state_dict().items()}
            assert (state == shapes) == ((name, value) != ("fusion", "codes")), (name, value)


def clip():
    from test_options import clip

    return clip()


# --- whole runs -----------------------------------------------------------------------------------

BEST = ["--system", "crossenh", "--option", "bridge=best", "--option", "student=fresh", "--option", "teacher=better",
        "--epochs", "3"]  # fmt: skip


@pytest.fixture(scope="module")
def nine(films, tmp_path_factory):
    return trained(films, tmp_path_factory.mktemp("nine") / "run", *BEST)


def test_one_command_trains_nine_students_and_ships_the_best(films, nine):
    epochs = events(nine, "epoch")
    assert [event["stage"] for event in epochs] == ["streams", *(f"student {x}" for x in "abcdefghi"), "fusion"]
    card = json.loads((nine.weights / "card.json").read_text())
    measured = card["measured"]
    alone = epochs[0]["parts"]
    assert set(alone) == {"rgb", "flow"}
    assert measured["teacher"] == ("rgb" if alone["rgb"] > alone["flow"] else measured["teacher"])
    assert alone[measured["teacher"]] >= alone[measured["student"]] == measured["student_before"]
    table = json.loads((nine.folder / "bridges.json").read_text())
    assert list(table["bridges"]) == list("abcdefghi") == list(measured["bridges"])
    assert [row["accuracy"] for row in table["bridges"].values()] == [
        event["parts"][measured["student"]] for event in epochs[1:-1]
    ]
    best = max(table["bridges"].values(), key=lambda row: (row["accuracy"], -row["loss"]))
    assert table["bridges"][measured["bridge"]] == best
    assert card["options"] == {"bridge": "best", "student": "fresh", "teacher": "better"}
    shipped = load_file(nine.weights / "model.safetensors")
    kept = load_file(nine.folder / "best_student.safetensors")
    assert kept and all(
        shipped[f"streams.{name}"].equal(value.to(shipped[f"streams.{name}"].dtype)) for name, value in kept.items()
    )
    assert not [name for name in shipped if "bridge" in name]
    before, after = measured["student_before"], measured["student_after"]
    student, teacher = measured["student"], measured["teacher"]
    assert f"the student ({student}) {before:.0%} by plain training, {after:.0%} taught by {teacher}" in shown(nine)
    assert f"the best of nine bridges is {measured['bridge']}" in shown(nine)
    assert {"rgb alone", "flow alone"} <= set(curves(nine.events())["accuracy"])


def shown(run: Run) -> list[str]:
    """What the page says of a run."""
    return facts(run.status(), run.events())


def test_nine_students_that_were_cut_off_end_in_the_same_weights(films, nine, tmp_path):
    cut = cut_after(films, tmp_path / "cut", 4, *BEST)
    assert main(["train", "--resume", str(cut.folder)]) == 0
    ours, theirs = (load_file(run.weights / "model.safetensors") for run in (cut, nine))
    assert ours.keys() == theirs.keys() and all(value.equal(theirs[name]) for name, value in ours.items())
    cards = [json.loads((run.weights / "card.json").read_text()) for run in (cut, nine)]
    assert cards[0]["measured"] == cards[1]["measured"]


def test_the_optimiser_forgets_a_stage_when_the_next_one_begins(films, tmp_path, monkeypatch):
    from actrec.training.loop import Training

    seen = []
    enter = CrossEnhancement.enter

    def watched(self, network, epoch, kept):
        seen.append((self.stage(epoch), len(self.training.learner.optimiser.state)))
        enter(self, network, epoch, kept)

    prepare = Training.prepare

    def prepared(self):
        prepare(self)
        self.objective.training = self

    monkeypatch.setattr(CrossEnhancement, "enter", watched)
    monkeypatch.setattr(Training, "prepare", prepared)
    trained(films, tmp_path / "run", "--system", "crossenh", "--epochs", "3")
    assert seen == [("streams", 0), ("student", 0), ("fusion", 0)]


def test_a_fresh_student_that_began_from_weights_goes_back_to_those(films, nine, tmp_path):
    run = trained(
        films, tmp_path / "run", "--system", "crossenh", "--start-from", str(nine.weights), "--option", "student=fresh",
        "--preset", "scratch", "--epochs", "1",
    )  # fmt: skip
    start, weights = load_file(run.folder / "start.safetensors"), load_file(nine.weights / "model.safetensors")
    assert start and all(value.equal(weights[f"streams.{name}"].to(value.dtype)) for name, value in start.items())


def test_a_recognizer_gives_each_streams_scores_from_the_codes():
    system = named("crossenh")
    torch.manual_seed(0)
    card = Card("mine", "crossenh", ["a", "b", "c"], "nothing", "none", 0)
    recognizer = Recognizer(system, system.network(3), card, "cpu", only_torch=True)
    with torch.no_grad():  # a classifier whose scores are apart
        for stream in recognizer._plain.streams.values():
            stream.logits.weight.normal_()
    views = system.protocols["clip"].views(clip())
    alone, inputs = recognizer.parts(recognizer.run(views)[1]), system.tensors(views)
    assert list(alone) == ["rgb", "flow"]
    for name, scores in alone.items():
        with torch.inference_mode():
            expected = recognizer._plain.streams[name](inputs[name])
        torch.testing.assert_close(torch.from_numpy(scores), expected, atol=1e-3, rtol=1e-3)


def test_evaluate_says_what_each_stream_answers_alone(films, nine, capsys, tmp_path):
    """Against each stream's own forward pass on the same views, probabilities averaged over the clip's views."""
    capsys.readouterr()
    words = ["evaluate", "--weights", str(nine.weights), "--data", str(films), "--device", "cpu"]
    assert main([*words, "--json", "--out", str(tmp_path / "report")]) == 0
    result = json.loads(capsys.readouterr().out)
    recognizer = Recognizer.load(nine.weights, "cpu", only_torch=True)
    from actrec.data.open import open_set
    from actrec.training.load_data import stored

    dataset = open_set(str(films))
    right = {"rgb": 0, "flow": 0}
    for sample, target in zip(dataset.samples, dataset.targets(), strict=True):
        views = recognizer.system.protocols["clip"].views(
            dataset.read(dataset.samples.index(sample), stored(recognizer.system))
        )
        inputs = recognizer.system.tensors(views)
        for name in right:
            with torch.inference_mode():
                scores = recognizer._plain.streams[name](inputs[name]).softmax(1).mean(0)
            right[name] += int(recognizer.labels[int(scores.argmax())] == dataset.labels[target])
    for name, count in right.items():
        assert result["parts"][name]["top1"] == pytest.approx(count / len(dataset)), name
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Each stream alone" in page and "rgb alone" in page
    assert main(words) == 0
    assert f"rgb {100 * result['parts']['rgb']['top1']:.1f} %" in capsys.readouterr().out


@pytest.mark.parametrize("system", ["two-stream-light", "fused-3d-light"])
def test_the_networks_of_table_3_train_and_answer(films, tmp_path, system):
    run = trained(films, tmp_path / "run", "--system", system, "--epochs", "1")
    measured = json.loads((run.weights / "card.json").read_text())["measured"]
    prediction = Recognizer.load(run.weights, "cpu").predict(clip())
    assert prediction.scores.sum() == pytest.approx(1.0, abs=1e-5)
    both = system == "two-stream-light"
    assert set(measured.get("parts", {})) == ({"rgb", "flow"} if both else set())
    assert "student" not in measured
    assert ("parts" in events(run, "epoch")[0]) == both


@pytest.mark.parametrize(
    "event",
    [
        {"event": "epoch", "epoch": 1, "loss": 1.0, "accuracy": 0.5, "parts": {"rgb": "half"}},
        {"event": "epoch", "epoch": 1, "loss": 1.0, "accuracy": 0.5, "parts": [0.5]},
        {"event": "finished", "measured": {"student": "rgb", "teacher": "flow", "student_before": 0.5}},
        {
            "event": "finished",
            "measured": {"student": 1, "teacher": "flow", "student_before": 0.5, "student_after": 0.6},
        },
    ],
)
def test_a_damaged_line_about_streams_is_left_out(event):
    assert event_of(json.dumps({"time": 1.0, **event})) is None


def test_over_several_splits_each_streams_accuracy_is_the_mean():
    from actrec.evaluation.result import measure, over_splits

    results = {}
    for name, rgb in (("split 1", 0.25), ("split 2", 0.75)):
        results[name] = measure(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]), ["a", "b"])
        results[name]["parts"] = {"rgb": {"top1": rgb, "top5": 1.0}, "flow": {"top1": 0.5, "top5": 1.0}}
    assert over_splits(results)["parts"] == {"rgb": {"top1": 0.5, "top5": 1.0}, "flow": {"top1": 0.5, "top5": 1.0}}
