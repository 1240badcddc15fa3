"""Several processes learn what one would have learned, and survive the death of one of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from small_runs import command, some_views
from torch import nn

from actrec.training.run import Run

TOLD = ["--epochs", 2, "--batch", 6, "--threads", 1, "--numbers", "float32", "--device", "cpu", "--name", "tiny"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def torchrun(*words: str) -> tuple[str, ...]:
    return "--nproc-per-node=2", "--master-addr=127.0.0.1", f"--master-port={free_port()}", *words


# --- one update in two processes against one update in one ---------------------------------------


def updated(system_name: str, rank: int, size: int) -> dict[str, torch.Tensor]:
    """The weights and statistics after two updates on six clips of three classes, of which this process sees a part."""
    from actrec.core.number_formats import FLOAT32
    from actrec.systems import named
    from actrec.training.distributed import World
    from actrec.training.objective import objective
    from actrec.training.updates import Learner, Pieces
    from actrec.training.whole_batch import Rows, see_whole_batch

    system, rows, world = named(system_name), Rows(), World(rank, size, rank, size)
    if size > 1:
        world.group = dist.new_group()
    goal = objective(system, system.schedules["scratch"], FLOAT32, world)
    torch.manual_seed(0)
    network = see_whole_batch(goal.build(3), rows, world, torch.device("cpu"))
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.5  # light sizes drop little or nothing: here it has to show
    # SGD: where a gradient is zero but for rounding, Adam turns the rounding into a whole step.
    optimiser = torch.optim.SGD([parameter for parameter in network.parameters() if parameter.requires_grad], lr=0.05)
    learner = Learner(
        system, network, goal, optimiser, FLOAT32, world, torch.device("cpu"), rows, Pieces(6, lambda *_: None)
    )
    learner.begin(0)
    views, targets = some_views(system, 6)
    mine = world.own_rows(6)
    for seed in (1, 2):
        learner.update(views[mine], targets[mine], 6, seed, 0.05)
    return {name: value.clone() for name, value in network.state_dict().items()}


def one_of_two(rank: int, port: int, folder: str, system_name: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    made = updated(system_name, rank, 2)
    torch.save(made, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("system", ["asym3d", "ms3d", "fstcn"])
def test_two_processes_learn_what_one_does(system, tmp_path):
    """Batch norms over all clips, dropout masks and random frames of the whole batch; N-pair across processes."""
    multiprocessing.spawn(one_of_two, (free_port(), str(tmp_path), system), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the two had: another count sums in another order
    try:
        alone = updated(system, 0, 1)
    finally:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    for name, value in alone.items():
        assert torch.equal(first[name], second[name]), f"the two processes differ in {name}"
        # To 1e-4, where weights are about 1 and two steps have moved biases by some thousandths.
        assert torch.allclose(first[name], value, rtol=1e-4, atol=1e-4), name
    assert any("running_var" in name and not value.equal(torch.ones_like(value)) for name, value in alone.items())


def one_of_two_that_meet_garbage(rank: int, port: int, folder: str) -> None:
    """A step in bfloat16 in which the second process alone gets a gradient that is not finite."""
    from actrec.core.number_formats import CANDIDATES
    from actrec.systems import named
    from actrec.training.distributed import World
    from actrec.training.number_format import arrange_weights
    from actrec.training.objective import objective
    from actrec.training.schedule import make_optimiser
    from actrec.training.updates import Learner, Pieces
    from actrec.training.whole_batch import Rows, see_whole_batch

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    system, rows, world, cpu = named("fstcn"), Rows(), World(rank, 2, rank, 2), torch.device("cpu")
    world.group = dist.new_group()
    bfloat16 = next(candidate for candidate in CANDIDATES if candidate.dtype == "bfloat16")
    goal = objective(system, system.schedules["scratch"], bfloat16, world)
    torch.manual_seed(0)
    network = see_whole_batch(goal.build(3), rows, world, cpu)
    arrange_weights(network, bfloat16)
    optimiser = make_optimiser(network, system.schedules["scratch"])
    learner = Learner(system, network, goal, optimiser, bfloat16, world, cpu, rows, Pieces(6, lambda *_: None))
    learner.begin(0)
    weight = next(parameter for parameter in network.parameters() if parameter.requires_grad and parameter.dim() > 1)
    spoilt = rank == 1
    weight.register_hook(
        lambda gradient: gradient * float("inf") if spoilt and learner.numbers == bfloat16 else gradient
    )
    views, targets = some_views(system, 6)
    mine = world.own_rows(6)
    for seed in (1, 2):
        learner.update(views[mine], targets[mine], 6, seed, 0.01)
    tensors = {name: value.clone() for name, value in network.state_dict().items()}
    torch.save({"format": str(learner.numbers), "tensors": tensors}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_a_gradient_that_is_not_finite_in_one_process_takes_all_to_float32(tmp_path):
    multiprocessing.spawn(one_of_two_that_meet_garbage, (free_port(), str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert first["format"] == second["format"] == "float32 contiguous"
    for name, value in first["tensors"].items():
        assert value.isfinite().all() and torch.equal(value, second["tensors"][name]), name


# --- the command under torchrun --------------------------------------------------------------------


def test_a_killed_worker_restarts_from_the_last_checkpoint(films, tmp_path):
    run = Run(tmp_path / "run")
    process = command("--data", films, "--out", run.folder, *TOLD, torchrun=torchrun("--max-restarts=2"))
    deadline = time.monotonic() + 250
    while not run.checkpoint.exists():
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.kill(worker_of(process.pid), signal.SIGKILL)
    _, errors = process.communicate(timeout=250)
    assert process.returncode == 0, errors[-4000:]
    assert run.status()["state"] == "finished"
    logged = run.events()
    assert [event["processes"] for event in logged if event["event"] == "started"] == [2, 2], errors[-4000:]
    resumed = [event for event in logged if event["event"] == "resumed"]
    assert len(resumed) == 1 and resumed[0]["epoch"] >= 1
    assert not [event for event in logged if event["event"] == "inexact"]
    assert [event["epoch"] for event in logged if event["event"] == "epoch"][-1] == 2
    evaluated_in_two(run, films, tmp_path)


def worker_of(agent: int) -> int:
    """The second of the processes that torchrun has started."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == agent and "actrec" in (stat.parent / "cmdline").read_text():
            children.append(int(stat.parent.name))
    assert len(children) == 2, children
    return max(children)


def evaluated_in_two(run: Run, films: Path, tmp_path: Path) -> None:
    """The evaluation of two processes says what that of one says."""
    import subprocess

    words = ["evaluate", "--weights", str(run.weights), "--data", str(films), "--device", "cpu"]
    words += ["--protocol", "one", "--json"]
    start = [sys.executable, "-m", "torch.distributed.run", *torchrun(), "-m", "actrec", *words]
    done = subprocess.run(
        start, cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, timeout=250,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    two = json.loads(done.stdout.strip().splitlines()[-1])
    from actrec.evaluation import evaluate
    from actrec.training.distributed import World
    from actrec.training.load_data import stored
    from actrec.weights.cards import read_card

    card, recognizer = read_card(run.weights), evaluate.load(run.weights, "cpu")
    trial, _ = evaluate.open_trial(str(films), card, stored(recognizer.system), clips_per_class=0, seed=0)
    one = evaluate.evaluate_trial(recognizer, card, trial, None, "one", World(), print)
    assert two["clips"] == one["clips"] == 15 and two["about"]["processes"] == 2
    assert two["confusion"] == one["confusion"]
    assert np.isclose(two["calibration_error"], one["calibration_error"], atol=1e-4)
