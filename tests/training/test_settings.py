"""One list of options: what stands in it is on the command line, on the page, in the run folder and on the card."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import gradio as gr
import pytest

from actrec.cli import train
from actrec.core.files import write_json
from actrec.training.run import Run, RunError
from actrec.training.settings import Control, Settings, add_options, command, given, option, words
from demo.server.services import Services
from demo.shared.trainings import Trainings, line
from demo.tabs.train import _choices


@dataclass(frozen=True)
class More(Settings):
    """The settings with one more option."""

    warm_up: int | None = field(
        default=None,
        metadata=option("epochs with a rising rate", control=Control("Warm-up", "Epochs.", 3, 5, least=0)),
    )


def test_an_option_added_to_the_list_is_typed_shown_kept_and_written_on_the_card(tmp_path):
    parser = argparse.ArgumentParser()
    add_options(parser, More)
    assert "epochs with a rising rate" in parser.format_help()
    typed = given(parser.parse_args(["--name", "mine", "--warm-up", "3"]), More)
    assert typed["warm_up"] == 3

    with gr.Blocks():
        shown, _ = _choices(Services(tmp_path, "cpu"), More)
    assert (shown["warm_up"].label, shown["warm_up"].value, shown["warm_up"].minimum) == ("Warm-up", 3, 0)
    trainings = Trainings(tmp_path / "runs")
    trainings.kind = More
    assert "--warm-up 3" in line(trainings, {name: control.value for name, control in shown.items()})

    settings = More(**typed)
    run = Run.create(tmp_path / "run", settings)
    run.kind = More
    assert json.loads((run.folder / "settings.json").read_text())["warm_up"] == 3 and run.settings() == settings
    write_json(run.folder / "settings.json", {**asdict(settings), "warm_up": "three"})
    with pytest.raises(RunError, match=r"broken \(warm_up\)"):
        run.settings()

    assert command(settings).endswith("--warm-up 3")
    assert "--warm-up" not in command(More(system="asym3d", data="synthetic:six", name="mine"))


def test_without_that_option_nobody_knows_it(tmp_path):
    """The other half of the test above: nothing of it was there before."""
    parser = argparse.ArgumentParser()
    train.add(parser)
    assert "--warm-up" not in parser.format_help()
    with gr.Blocks():
        assert "warm_up" not in _choices(Services(tmp_path, "cpu"), Settings)[0]


def test_the_page_offers_what_it_offered_and_writes_the_command_that_it_wrote(tmp_path):
    with gr.Blocks():
        shown, _ = _choices(Services(tmp_path, "cpu"), Settings)
    assert list(shown) == ["name", "data", "system", "preset", "start_from", "epochs", "clips_per_class"]
    places = [control.elem_id.removeprefix("train-") for control in shown.values()]
    assert places == ["name", "data", "system", "preset", "begin", "epochs", "clips"]
    values = {name: control.value for name, control in shown.items()}
    written = line(Trainings(Path("runs")), values)
    for asked in ("--system asym3d", "--data synthetic:six", "--preset scratch", "--threads 1", "--name my-first",
                  "--clips-per-class 60", "--epochs 12", "--out runs/my-first"):  # fmt: skip
        assert asked in written
    assert "--start-from" not in written


@pytest.mark.parametrize("values", [{"data": "--out=/tmp/x"}, {"start_from": "a:--out=/tmp/x"}, {"system": "--resume"}])
def test_no_value_becomes_an_option_of_its_own(values):
    parser = argparse.ArgumentParser()
    train.add(parser)
    args = parser.parse_args(words(values))
    assert (args.out, args.resume) == (None, None) and given(args).items() >= values.items()


def test_numbers_of_the_page_keep_their_kind():
    assert words({"epochs": 12.0, "rate": 0.05}) == ["--epochs", "12", "--rate", "0.05"]
