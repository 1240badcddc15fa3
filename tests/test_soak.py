"""The long run's judgement of memory, by numbers written by hand."""

from __future__ import annotations

from benchmarks.soak import OVERLAYS, grown, missed, peaks


def test_the_most_of_each_weights_in_each_whole_round():
    assert len(OVERLAYS) == 6
    first, second, begun = [1, 5, 2, 2, 2, 2] + [3] * 6, [4] * 6 + [1, 1, 1, 1, 1, 9], [7] * 8
    assert peaks(first + second + begun, weights=2) == [[5, 3], [4, 9]]


def test_growth_is_that_from_round_to_round_taken_on_to_the_end():
    assert grown([[9, 9], [1, 3], [5, 4]], since=2.0) == 5.0  # the mean 2 → 4.5, the most 3 → 5, in one round of two
    assert grown([[9, 9], [1, 3], [0, 0], [2, 7]], since=3.0) == 6.0  # the most 3 → 7, in two rounds of three
    assert grown([[9, 9], [4, 6], [4, 5]], since=1.5) == -0.8
    assert grown([[1, 3], [5, 4]], since=2.0) is None


def test_a_run_that_is_too_short_to_measure_memory_does_not_pass():
    stream = {"most_files": 0, "lag_ms_first_quarter": 70, "lag_ms_last_quarter": 90}
    run = {"stream": stream | {"grown_mb": 12.0}, "left": {"processes": [], "folders": []}}
    assert missed(run) == []
    run["stream"]["grown_mb"] = 51.0
    assert missed(run) == ["grown_mb: 51, at most 50"]
    run["stream"] |= {"grown_mb": None, "most_files": 201}
    assert missed(run) == ["grown_mb: not measured, that takes three rounds of all weights", "files: 201, at most 200"]
