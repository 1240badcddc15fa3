"""Train every checkpoint that ships, each by the command on its card.

    python weights/make.py --data DATA                  # all of them: about three hours on two quiet cores
    python weights/make.py --data DATA --only asym3d-ut # some of them, with the trainings that they continue from
    python weights/make.py --dry-run                    # print the commands and do nothing

DATA is a folder that holds `ut_interaction` and `generated_people`, two data sets that we cannot redistribute. Each
training has a run folder, `runs/NAME`: cut off, it continues where it was; finished, it is not repeated. What ships is
copied to `weights/NAME`. The person detector has a command of its own, `make detector`.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Training:
    """One row of the table. `{data}` stands for the folder of real clips; `continues` names the training before it."""

    name: str
    system: str
    data: str
    options: str
    continues: str = ""
    ships: bool = True

    @property
    def run(self) -> Path:
        return Path("runs") / self.name

    def command(self, data: str) -> list[str]:
        """What `python` is asked to do; paths are relative to the root of the repository."""
        words = ["-m", "actrec", "train", "--system", self.system, "--data", self.data.format(data=data)]
        words += ["--name", self.name, "--out", str(self.run), *shlex.split(self.options)]
        if self.continues:
            words += ["--start-from", self.continues if shipped(self.continues) else f"runs/{self.continues}/weights"]
        return words


FEW = "--option pairs=36"  # what MS3D's shipped weights learned with; without it they would draw from more pairs
PAIRS = "--preset scratch --rate 1e-3 --clips-per-class 160 --epochs 8"  # drawn interactions of two people
MORE_PAIRS = "--preset scratch --rate 1e-3 --clips-per-class 400 --epochs 10 --seed 1"
REAL = "--fold all --patience 0"  # learn from all real clips but a tenth, for a fixed number of epochs
PEOPLE = "synthetic:all+{data}/generated_people+{data}/ut_interaction"
UT = "{data}/ut_interaction"

# In this order: a training comes after the one that it continues from.
TRAININGS = (
    # name              system      learns from               how                                    continues, ships
    Training("asym3d-synthetic", "asym3d", "synthetic:six", "--clips-per-class 250 --epochs 12"),
    Training("asym3d-all", "asym3d", "synthetic:all", "--clips-per-class 100 --epochs 14"),
    Training("fstcn-synthetic", "fstcn", "synthetic:six", "--clips-per-class 160 --epochs 15"),
    Training("ms3d-synthetic", "ms3d", "synthetic:six", f"--clips-per-class 160 --epochs 11 {FEW}"),
    Training("mdtnet-synthetic", "mdtnet", "synthetic:six", "--clips-per-class 160 --epochs 5"),
    Training("crossenh-synthetic", "crossenh", "synthetic:six", "--clips-per-class 160 --epochs 14"),
    Training("ms3d-pairs", "ms3d", "synthetic:interactions", f"{PAIRS} {FEW}", "ms3d-synthetic", ships=False),
    Training("crossenh-pairs", "crossenh", "synthetic:interactions", PAIRS, "crossenh-synthetic", ships=False),
    Training("ms3d-pairs2", "ms3d", "synthetic:interactions", f"{MORE_PAIRS} {FEW}", "ms3d-pairs", ships=False),
    Training("crossenh-pairs2", "crossenh", "synthetic:interactions", MORE_PAIRS, "crossenh-pairs", ships=False),
    Training("fstcn-pairs2", "fstcn", "synthetic:interactions", MORE_PAIRS, "fstcn-synthetic", ships=False),
    Training("asym3d-ut", "asym3d", UT, f"{REAL} --epochs 70", "asym3d-all"),
    Training("fstcn-ut", "fstcn", UT, f"{REAL} --epochs 100", "fstcn-pairs2"),
    Training("mdtnet-ut", "mdtnet", UT, f"{REAL} --epochs 60", "mdtnet-synthetic"),
    Training("ms3d-ut", "ms3d", UT, f"{REAL} --epochs 60 {FEW}", "ms3d-pairs2"),
    Training("crossenh-ut", "crossenh", UT, f"{REAL} --epochs 60", "crossenh-pairs2"),
    Training(
        "asym3d-more", "asym3d", "synthetic:all",
        "--preset scratch --rate 1e-3 --clips-per-class 250 --epochs 8 --seed 1", "asym3d-all", ships=False,
    ),
    Training(  # what answers where the network that the everyday weights go on from was not fetched
        "asym3d-people", "asym3d", PEOPLE,
        f"{REAL} --preset fine-tune --clips-per-class 20 --leave-out read 'meet and split' --epochs 24 --keep last",
        "asym3d-more",
    ),
)  # fmt: skip
BY_NAME = {training.name: training for training in TRAININGS}


def shipped(name: str) -> bool:
    """Whether a training's weights lie in `weights/` once it is done."""
    return BY_NAME[name].ships


def with_those_before(names: Iterable[str]) -> list[Training]:
    """The trainings of these names and every one that they continue from, in the order of the table."""
    wanted: set[str] = set()
    for name in names:
        while name and name not in wanted:
            wanted.add(name)
            name = BY_NAME[name].continues
    return [training for training in TRAININGS if training.name in wanted]


def train(training: Training, data: str) -> None:
    """Train, continue what was cut off, or take what is finished; then copy what ships to `weights/`."""
    from actrec.weights.folders import FILES, write_folder

    weights = ROOT / training.run / "weights"
    if not (weights / FILES[-1]).exists():
        begun = (ROOT / training.run / "settings.json").exists()
        resume = ["-m", "actrec", "train", "--resume", str(training.run)]
        subprocess.run([sys.executable, *(resume if begun else training.command(data))], cwd=ROOT, check=True)
    if training.ships:
        files = {path.name: path.read_bytes() for path in sorted(weights.iterdir()) if path.is_file()}
        write_folder(ROOT / "weights" / training.name, files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="the folder that holds ut_interaction and generated_people")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(BY_NAME), help="some weights, by name")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and do nothing")
    args = parser.parse_args()
    wanted = with_those_before(args.only or BY_NAME)
    if args.dry_run:
        for training in wanted:
            print(shlex.join(["python", *training.command(args.data or "DATA")]))
        return
    if args.data is None and any("{data}" in training.data for training in wanted):
        parser.error("--data is needed: these weights learn from real clips. See --help for what the folder holds.")
    for training in wanted:
        train(training, str(Path(args.data).resolve()) if args.data else "")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
