"""Cross-enhancement: plain two-stream where α = β = 0, a teacher that stays, nine bridges, fusion."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from overfitting import LABELS, accuracy_by_heart, clips

from actrec.core.number_formats import NumberFormat
from actrec.models.counting import multiplications, weights
from actrec.models.crossenh import BRIDGES, POSITIONS, VARIANTS, Bridge, TwoStream
from actrec.systems.losses import bridge_distillation

FRAMES, SIZE = 8, 32


def light(name: str = "multiple-enhanced-rgb-light", seed: int = 0, **options) -> TwoStream:
    generator = torch.Generator().manual_seed(seed)
    return VARIANTS[name](4, generator=generator, **{"dropout": 0.0, **options})


def inputs(batch: int = 8) -> dict[str, torch.Tensor]:
    return {"rgb": clips(3, FRAMES, SIZE, 1)[:batch], "flow": clips(2, FRAMES, SIZE, 2)[:batch]}


def three_steps(net: TwoStream, loss_of) -> dict[str, torch.Tensor]:
    torch.manual_seed(7)  # dropout
    net.train()
    learning = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(learning, lr=0.01, momentum=0.9, weight_decay=5e-4)
    for _ in range(3):
        optimiser.zero_grad()
        loss_of(net).backward()
        optimiser.step()
    return {name: value.clone() for name, value in net.state_dict().items() if not name.startswith("bridge")}


def enhanced(alpha: float, beta: float):
    def loss_of(net: TwoStream) -> torch.Tensor:
        seen = net.distil(**inputs())
        return bridge_distillation(seen.student, seen.teacher, seen.scores, LABELS, alpha=alpha, beta=beta).loss

    return loss_of


def plain(net: TwoStream) -> torch.Tensor:
    seen, name = inputs(), net.student if net.stage == "student" else net.stage
    scores = net.streams[name](seen[name]) if name in net.streams else net(**seen)
    return F.cross_entropy(scores, LABELS)


@pytest.mark.parametrize(("teacher", "student"), [("flow", "rgb"), ("rgb", "flow")])
def test_alpha_and_beta_zero_train_exactly_as_plain_two_stream(teacher, student):
    net = light(teacher=teacher, bridge="c", dropout=0.5, fusion="average")
    net.begin("student")
    other = light("two-stream-light", dropout=0.5)
    other.begin(student)
    ours, theirs = three_steps(net, enhanced(0, 0)), three_steps(other, plain)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    net = light(teacher=teacher, bridge="c", dropout=0.5, fusion="average")
    net.begin("student")
    taught = three_steps(net, enhanced(1, 1))
    assert not torch.equal(ours[f"streams.{student}.logits.weight"], taught[f"streams.{student}.logits.weight"])


@pytest.mark.parametrize("teacher", ["flow", "rgb"])
def test_the_teacher_does_not_move_and_the_student_and_its_bridge_do(teacher):
    net = light(teacher=teacher, bridge="h")
    before = copy.deepcopy(net.state_dict())
    net.begin("student")
    three_steps(net, enhanced(1, 1))
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert all(name.startswith((f"streams.{net.student}.", "bridge.")) for name in moved)
    assert any(name.startswith(f"streams.{net.student}.") for name in moved) and "bridge.weight" in moved
    assert any("running_mean" in name for name in moved)


@pytest.mark.parametrize("bridge", ["c", "e", "g"])
def test_every_parameter_of_the_student_stage_learns(bridge):
    net = light(bridge=bridge)
    net.begin("student")
    net.train()
    enhanced(1, 1)(net).backward()
    learning = [(n, p) for n, p in net.named_parameters() if p.requires_grad]
    assert learning and [n for n, p in learning if p.grad is None or not p.grad.any()] == []
    assert all(p.grad is None for p in net.streams["flow"].parameters())


def test_nine_bridges_join_each_position_with_each():
    assert len(set(BRIDGES.values())) == 9
    assert BRIDGES["a"] == ("Mixed_3c", "Mixed_3c") and BRIDGES["i"] == ("Mixed_5c", "Mixed_5c")
    assert BRIDGES["c"] == ("Mixed_3c", "Mixed_5c")  # the teacher's front teaches the student's rear
    few = inputs(1)
    for bridge, (of_teacher, _) in BRIDGES.items():
        net = light(bridge=bridge)
        net.eval()
        seen = net.distil(**few)
        assert not any(value.requires_grad for value in seen.teacher) and seen.student[1].requires_grad
        assert [value.shape for value in seen.student] == [value.shape for value in seen.teacher]
        assert seen.student[0].shape[1] == net.streams["flow"].channels[of_teacher]
        assert (net.bridge.weight is None) == (len(set(BRIDGES[bridge])) == 1)


@pytest.mark.parametrize("bridge", [None, *"ai", "c"])
def test_a_bridge_does_not_change_the_random_start(bridge):
    without = light(bridge=None).state_dict()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    Bridge(4, 8)
    assert torch.equal(torch.rand(1), expected)  # nor anyone else's random numbers
    state = light(bridge=bridge).state_dict()
    assert all(torch.equal(state[name], value) for name, value in without.items())


def test_bridge_by_hand():
    bridge = Bridge(2, 1)
    with torch.no_grad():
        bridge.weight.copy_(torch.tensor([1.0, 10.0]).view(1, 2, 1, 1, 1))
    student = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1, 1)
    teacher = torch.tensor([[3.0, 5.0], [7.0, 9.0]]).view(1, 1, 1, 2, 2)
    ours, theirs = bridge(student, teacher)
    assert ours.item() == 21 and theirs.item() == 6
    fine, coarse = Bridge(1, 1)(teacher, student[:, :1])
    assert fine.item() == 6 and coarse.item() == 1


def test_averaging_the_teacher_gives_the_gradient_of_stretching_the_student():
    student = torch.randn(1, 1, 1, 2, 2, requires_grad=True)
    teacher = torch.randn(1, 1, 2, 4, 4)
    F.mse_loss(*Bridge(1, 1)(student, teacher)).backward()
    pooled, student.grad = student.grad, None
    F.mse_loss(F.interpolate(student, size=(2, 4, 4)), teacher).backward()
    torch.testing.assert_close(pooled, student.grad)


def test_second_bridge_joins_codes_or_scores():
    few = inputs(2)
    codes, scores = light(second="code").eval(), light(second="scores").eval()
    with torch.no_grad():
        seen = codes.distil(**few)
        torch.testing.assert_close(codes.code(**few), torch.cat([seen.student[1], seen.teacher[1]], 1))
        seen = scores.distil(**few)
    assert seen.student[1] is seen.scores and seen.teacher[1].shape == (2, 4)


def test_stages_run_through_and_leave_a_network_without_bridges():
    net = light(bridge="c")
    for stage, learns in (("flow", "streams.flow."), ("student", ("streams.rgb.", "bridge."))):
        net.begin(stage)
        assert all(p.requires_grad == name.startswith(learns) for name, p in net.named_parameters())
    net.begin("fusion")
    assert [name for name, p in net.named_parameters() if p.requires_grad] == [
        "fusion_layer.weight", "fusion_layer.bias",
    ]  # fmt: skip
    net.train()
    assert net.training and not any(stream.training for stream in net.streams.values())
    assert net.state_dict().keys() == light(bridge=None).state_dict().keys()
    statistics = copy.deepcopy(net.streams.state_dict())
    plain(net).backward()
    assert all(torch.equal(value, statistics[name]) for name, value in net.streams.state_dict().items())
    assert net.fusion_layer.weight.grad.any()
    net.begin("complete")
    assert all(p.requires_grad for p in net.parameters()) and net.streams["rgb"].training


def test_the_fusion_layer_starts_as_the_average():
    few = inputs(2)
    with torch.no_grad():
        average, layer = light(fusion="average").eval()(**few), light(fusion="scores").eval()(**few)
        net = light(fusion="average").eval()
        by_hand = (net.streams["rgb"](few["rgb"]) + net.streams["flow"](few["flow"])) / 2
    torch.testing.assert_close(average, by_hand)
    torch.testing.assert_close(layer, average)


@pytest.mark.parametrize("fusion", ["average", "scores", "codes"])
def test_every_parameter_of_the_complete_network_learns(fusion):
    net = light(fusion=fusion)
    net.begin("complete")
    net(**inputs(2)).square().sum().backward()
    learning = [(n, p) for n, p in net.named_parameters() if p.requires_grad]
    assert [n for n, p in learning if p.grad is None or not p.grad.any()] == []
    # a fusion of the codes goes past the streams' own classifiers: nothing to learn there
    assert net.streams["rgb"].logits.weight.requires_grad == (fusion != "codes")


def test_scores_do_not_depend_on_the_batch():
    net = light().eval()
    three = inputs(3)
    with torch.no_grad():
        together = net(**three)
        alone = torch.cat([net(**{k: v[i : i + 1] for k, v in three.items()}) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["two-stream-light", "multiple-enhanced-rgb-light"])
def test_light_learns_eight_clips_by_heart_and_bfloat16_agrees(name):
    net = light(name)
    net.begin("complete")
    assert accuracy_by_heart(net, inputs()) == 1.0
    net.eval()
    numbers = NumberFormat("bfloat16", channels_last=True)
    with torch.no_grad():
        before = net(**inputs())
        after = numbers.convert(net)(**{name: numbers.arrange(value) for name, value in inputs().items()})
    assert after.dtype == torch.bfloat16
    assert torch.equal(before.argmax(1), after.argmax(1))


def test_light_is_light_with_both_streams_together():
    net = VARIANTS["multiple-enhanced-rgb-light"](10, bridge=None)
    assert weights(net) <= 1.5e6
    assert multiplications(net, {"rgb": (1, 3, 16, 112, 112), "flow": (1, 2, 16, 112, 112)}) <= 3e9


def test_paper_size_is_two_published_streams():
    with torch.device("meta"):
        net = VARIANTS["multiple-enhanced-rgb"](400, bridge="c", fusion="codes")
        assert net.bridge.weight.shape == (480, 1024, 1, 1, 1)
    assert net.code_length == 1024 and net.fusion_layer.in_features == 2048
    net.begin("complete")
    flow_stem = 64 * 7**3  # one input channel fewer
    assert weights(net) == 2 * weights(net.streams["rgb"]) - flow_stem + 2048 * 400


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bridge": "k"}, "'k' is not a bridge. Choose one of: None, a, b"),
        ({"teacher": "sound"}, "'sound' is not a teacher. Choose one of: None, rgb, flow."),
    ],
)
def test_unknown_options_are_sentences(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        light(**options)


def test_what_cannot_be_trained_is_a_sentence():
    net = light("two-stream-light")
    with pytest.raises(ValueError, match="no bridge to learn over"):
        net.begin("student")
    with pytest.raises(ValueError, match="nothing to learn"):
        net.begin("fusion")
    assert POSITIONS == ("Mixed_3c", "Mixed_4f", "Mixed_5c")


@pytest.mark.parametrize(("teacher", "student"), [("flow", "rgb"), ("rgb", "flow")])
def test_the_first_bridge_joins_the_letters_two_maps_and_the_second_the_codes(teacher, student):
    """Bridge c: the teacher's front and the student's rear, each from its own stream's input."""
    net, few = light(teacher=teacher, bridge="c").eval(), inputs(2)
    with torch.no_grad():
        seen = net.distil(**few)
        code, maps = net.streams[teacher].features(few[teacher], ("Mixed_3c",))
        own_code, own_maps = net.streams[student].features(few[student], ("Mixed_5c",))
        ours, theirs = net.bridge(own_maps["Mixed_5c"], maps["Mixed_3c"])
    assert torch.equal(seen.student[0], ours) and torch.equal(seen.teacher[0], theirs)
    assert torch.equal(seen.student[1], own_code) and torch.equal(seen.teacher[1], code)
    assert torch.equal(seen.scores, net.streams[student].logits(own_code))


@pytest.mark.parametrize("fusion", ["scores", "codes"])
@pytest.mark.parametrize(("half", "stream"), [(0, "rgb"), (1, "flow")])
def test_the_fusion_layer_sees_rgb_first_and_flow_behind_it(fusion, half, stream):
    net, few = light(fusion=fusion).eval(), inputs(2)
    layer = net.fusion_layer
    width = layer.in_features // 2
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
        layer.weight[:, half * width : half * width + 4] = torch.eye(4)
        alone = net.streams[stream]
        expected = alone(few[stream]) if fusion == "scores" else alone.code(few[stream])[:, :4]
        torch.testing.assert_close(net(**few), expected)


def test_each_stream_answers_alone():
    net, few = light().eval(), inputs(2)
    with torch.no_grad():
        alone = net.alone(net.code(**few))
        assert list(alone) == ["rgb", "flow"]
        for name, scores in alone.items():
            torch.testing.assert_close(scores, net.streams[name](few[name]))


def test_each_of_nine_bridges_starts_and_compares_as_it_does_alone():
    nine, few = light(bridge="best").eval(), inputs(1)
    assert all(torch.equal(value, nine.state_dict()[name]) for name, value in light(bridge=None).state_dict().items())
    for letter in BRIDGES:
        nine.teach("flow", letter)
        alone = light(bridge=letter).eval()
        with torch.no_grad():
            ours, theirs = nine.distil(**few), alone.distil(**few)
        assert nine.positions == alone.positions
        assert torch.equal(ours.student[0], theirs.student[0]) and torch.equal(ours.teacher[0], theirs.teacher[0])
    nine.teach("rgb")
    assert (nine.teacher, nine.student, nine.positions) == ("rgb", "flow", BRIDGES["i"])
    nine.begin("fusion")
    assert nine.bridge is None
