"""Public files that the project can fetch when asked: networks, a person detector, clips. Nothing is
fetched here. What a paper's network can start from stands in its recipe; `actrec.systems.public_files` has both.

Sums: the clips' and the detectors' are known in full. torchvision prints the first eight digits of its
files' SHA-256 into their names; where no full sum is known those eight are compared and the full one is
recorded on the first download (`actrec.weights.download`).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from actrec.core.errors import BadValue

FULL = 64  # hexadecimal digits of a SHA-256


@dataclass(frozen=True)
class Entry:
    """One public file. `sha256` holds all 64 digits, or as many of the first ones as are known."""

    key: str
    kind: str  # "kinetics-400", "imagenet", "detector" or "clip"
    title: str
    url: str
    licence: str
    sha256: str
    bytes: int | None = None
    megabytes: float | None = None  # what the publisher says, where the exact size is not known
    note: str = ""

    @property
    def file(self) -> str:
        """The name of the file on disk."""
        return urlsplit(self.url).path.rsplit("/", 1)[-1]

    @property
    def full_sum(self) -> bool:
        return len(self.sha256) == FULL

    @property
    def size(self) -> str:
        """The size in words, for the one who decides whether to fetch it."""
        size = self.megabytes if self.bytes is None else self.bytes / 1e6
        return "size unknown" if size is None else f"{size:.1f} MB"


PYTORCH = "https://download.pytorch.org/models/"
TORCHVISION = "BSD-3-Clause (torchvision); trained on Kinetics-400, whose clips keep their owners' rights"


def kinetics(key: str, first_digits: str, megabytes: float, title: str, note: str) -> Entry:
    """One of torchvision's video models."""
    url = f"{PYTORCH}{key}-{first_digits}.pth"
    return Entry(key, "kinetics-400", title, url, TORCHVISION, first_digits, megabytes=megabytes, note=note)


KINETICS = (
    kinetics("r3d_18", "b3b3357e", 133.5, "R3D-18", "63.2 % top-1 (5 clips of 16 frames at 15 fps)"),
    kinetics("mc3_18", "a90a0ba3", 46.8, "MC3-18", "64.0 % top-1 (5 clips of 16 frames at 15 fps)"),
    kinetics("r2plus1d_18", "91a641e6", 126.2, "R(2+1)D-18", "67.5 % top-1 (5 clips of 16 frames at 15 fps)"),
    kinetics("s3d", "d76dad2f", 33.5, "S3D", "68.4 % top-1 (1 clip of 128 frames at 15 fps)"),
    kinetics("mvit_v1_b", "dbeb1030", 146.6, "MViT v1 B", "78.5 % top-1 (5 clips of 16 frames at 7.5 fps)"),
    kinetics("mvit_v2_s", "ae3be167", 138.3, "MViT v2 S", "80.8 % top-1 (5 clips of 16 frames at 7.5 fps)"),
    kinetics("swin3d_t", "7615ae03", 127.4, "Video Swin T", "77.7 % top-1 (12 clips of 32 frames at 15 fps)"),
)

YOLO = "https://github.com/ultralytics/assets/releases/download/"
YOLO_NOTE = "sees 80 kinds of things (COCO), people among them; its pickle is converted without running it"
DETECTORS = (
    Entry(
        "yolo26n",
        "detector",
        "YOLO26n",
        YOLO + "v8.4.0/yolo26n.pt",
        "AGPL-3.0 (Ultralytics)",
        "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef",
        bytes=5_544_453,
        note=YOLO_NOTE,
    ),
    Entry(
        "yolo11n",
        "detector",
        "YOLO11n",
        YOLO + "v8.3.0/yolo11n.pt",
        "AGPL-3.0 (Ultralytics)",
        "0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1",
        bytes=5_613_764,
        note=YOLO_NOTE,
    ),
)

INTEL = "https://raw.githubusercontent.com/intel-iot-devkit/sample-videos/57978890822836f2b4743852f04f62fc511757e4/"
MMACTION = "https://raw.githubusercontent.com/open-mmlab/mmaction2/4d6c93474730cad2f25e51109adcf96824efc7a3/"
MMPOSE = "https://raw.githubusercontent.com/open-mmlab/mmpose/759b39c13fea6ba094afc1fa932f51dc1b11cbf9/"


def clip(key: str, title: str, url: str, licence: str, size: int, sha256: str) -> Entry:
    """One public clip."""
    return Entry(key, "clip", title, url, licence, sha256, bytes=size)


CC_BY = "CC BY 4.0, Intel"
CLIPS = (
    clip(
        "asl-again",
        "American Sign Language: again",
        INTEL + "asl_gestures/again.mkv",
        CC_BY,
        205_376,
        "e6c640c718e26f2ace77fd36cade8cd10d0ccfc27fa59ce1e6be549e9235f882",
    ),
    clip(
        "asl-book",
        "American Sign Language: book",
        INTEL + "asl_gestures/book.mkv",
        CC_BY,
        265_099,
        "6ddf59ef6c4fdb6907802c33dec01ed5db2e0401ecf4f3b68c6c78fede62b4dc",
    ),
    clip(
        "asl-eat",
        "American Sign Language: eat",
        INTEL + "asl_gestures/eat.mkv",
        CC_BY,
        138_962,
        "1a252672404cbbc56fe75deaf6425a12e8db428bcf119f7e88556eb445eeff36",
    ),
    clip(
        "asl-hungry",
        "American Sign Language: hungry",
        INTEL + "asl_gestures/hungry.mkv",
        CC_BY,
        152_717,
        "4e8fc203206b2caeb2b8f591db02b8f5fae2947940e201bfedec2f906a60290b",
    ),
    clip(
        "asl-milk",
        "American Sign Language: milk",
        INTEL + "asl_gestures/milk.mkv",
        CC_BY,
        118_191,
        "86e4de796b29a0b65f7ade6aa0c4fd10be6d7f40def7c3bde73a821a63ce0518",
    ),
    clip(
        "asl-no",
        "American Sign Language: no",
        INTEL + "asl_gestures/no.mkv",
        CC_BY,
        173_007,
        "523a6e491878c48ba57bdcc32b73273f75485681080325f6fce9461f5605eb75",
    ),
    clip(
        "asl-school",
        "American Sign Language: school",
        INTEL + "asl_gestures/school.mkv",
        CC_BY,
        185_823,
        "3b39a9bad86871018e67f20bba4c831cc6a725b604a880b678e24145d539e3ae",
    ),
    clip(
        "asl-sorry",
        "American Sign Language: sorry",
        INTEL + "asl_gestures/sorry.mkv",
        CC_BY,
        193_822,
        "c3fa8df84bc29410baa6afe7b649f4bd4691a38de2c7a11e6dc605f73622f0f8",
    ),
    clip(
        "asl-thanks",
        "American Sign Language: thanks",
        INTEL + "asl_gestures/thanks.mkv",
        CC_BY,
        125_601,
        "91315d3bd66314d329f18876e16ddaa362775af0724b30905584fdc517213ed8",
    ),
    clip(
        "asl-want",
        "American Sign Language: want",
        INTEL + "asl_gestures/want.mkv",
        CC_BY,
        166_580,
        "788fe01c04420605fbe56b905b64444f75ebee7e4831213d00406bc50a6f2b0a",
    ),
    clip(
        "one-by-one",
        "People walking in one by one",
        INTEL + "one-by-one-person-detection.mp4",
        CC_BY,
        3_291_918,
        "a5964aa259099a482a8b360ffc2c57b5a30f84d5919236a4dad01f8e929ac07c",
    ),
    clip(
        "arm-wrestling",
        "Arm wrestling",
        MMACTION + "demo/demo.mp4",
        "Repository Apache-2.0; clip from Kinetics",
        635_539,
        "071e60535eaf0aed475ddac06269ee0cdfc4740158f22d9ccd2c3b93b42aa344",
    ),
    clip(
        "two-people",
        "Two people indoors",
        MMACTION + "demo/demo_skeleton.mp4",
        "Repository Apache-2.0",
        749_377,
        "0f82b816da14d6098438d606d961613fa67a38d19e091ca88006605a7df85a7f",
    ),
    clip(
        "street-dance",
        "Street dance",
        MMPOSE + "demo/resources/demo.mp4",
        "Repository Apache-2.0",
        204_863,
        "dc788b413f384887dab9502197657c05393efd1d26825831e4da6fa75b4908c9",
    ),
)

CATALOGUE: dict[str, Entry] = {entry.key: entry for entry in (*KINETICS, *DETECTORS, *CLIPS)}


def entry(key: str) -> Entry:
    """The entry of a key; a wrong key is answered with the known ones."""
    if key not in CATALOGUE:
        raise BadValue(f"There is no public file '{key}'. Known: {', '.join(CATALOGUE)}.")
    return CATALOGUE[key]


def of_kind(kind: str) -> tuple[Entry, ...]:
    """The entries of one kind."""
    return tuple(entry for entry in CATALOGUE.values() if entry.kind == kind)
