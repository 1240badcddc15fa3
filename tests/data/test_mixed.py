"""Several sources as one: classes by name, few real clips repeated, every clip its own."""

import numpy as np

from actrec.data.mixed import mixed
from actrec.data.sources import Source, Split
from actrec.video import Clip


def source(labels, targets, mark, licence="ours"):
    def clip(index):
        return Clip(np.full((2, 4, 4, 3), mark + index, np.uint8), np.arange(2) / 8)

    split = Split(np.array(targets), clip)
    return Source(labels, split, split, f"source {mark}", licence)


def test_classes_meet_by_name_and_few_real_clips_are_repeated():
    drawn = source(["clap", "walk"], [0] * 12 + [1] * 12, 0)
    real = source(["reading", "walking"], [1, 1, 0], 100, "theirs")
    both = mixed([drawn, real], {"walking": "walk"}, least_part=0.5)
    assert both.labels == ["clap", "walk", "reading"]
    assert both.licence == "ours; theirs"
    clips = [
        (int(target), int(both.train.clip(place).frames[0, 0, 0, 0])) for place, target in enumerate(both.train.targets)
    ]
    assert [clip for clip in clips if clip[1] < 100] == [(0, n) for n in range(12)] + [(1, n) for n in range(12, 24)]
    # two real walks of twelve drawn ones are to be six: each three times; the only reading stays alone
    assert sorted(clip for clip in clips if clip[1] >= 100) == [(1, 100)] * 3 + [(1, 101)] * 3 + [(2, 102)]
    assert sorted(both.validation.targets) == [0] * 12 + [1] * 14 + [2], "what validates is not repeated"
