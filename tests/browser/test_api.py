"""What programs may ask of the page: four endpoints with their words, asked with Gradio's own client."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    from gradio_client import Client

    return Client(server, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def _file(name: str):
    from gradio_client import handle_file

    return handle_file(EXAMPLES / f"{name}.mp4")


def test_exactly_four_endpoints_are_public_and_each_describes_itself(client):
    endpoints = client.view_api(return_format="dict")
    assert sorted(endpoints["named_endpoints"]) == ["/classify", "/embed", "/enrol", "/motion"]
    assert not endpoints["unnamed_endpoints"]
    for endpoint in endpoints["named_endpoints"].values():
        assert "Args: video" in endpoint["description"]
    words = [endpoint["parameter_name"] for endpoint in endpoints["named_endpoints"]["/classify"]["parameters"]]
    assert words == ["video", "weights", "taught"]


def test_a_private_callback_is_refused(client):
    with pytest.raises(ValueError, match="Cannot find"):
        client.predict(api_name="/learn")


def test_classify_names_the_action_with_the_weight_of_each_view(client):
    answer = client.predict(_file("squat"), api_name="/classify")
    assert answer["label"] == "squat" and answer["unknown"] is False
    assert answer["distance"] < answer["threshold"]
    assert sum(view["weight"] for view in answer["views"]) == pytest.approx(1, abs=0.01)
    assert {"decode", "views", "network", "fusion"} <= set(answer["milliseconds"])


def test_codes_have_length_one_and_are_those_of_the_clip(client):
    same, again, other = (
        np.array(client.predict(_file(name), api_name="/embed")["code"]) for name in ("squat", "squat", "wave")
    )
    assert np.linalg.norm(same) == pytest.approx(1, abs=1e-4)
    assert np.linalg.norm(same - again) < 1e-3 < np.linalg.norm(same - other)


def test_motion_is_a_video_of_the_same_length(client):
    from actrec.video.read import read_clip

    video = client.predict(_file("wave"), api_name="/motion")
    assert read_clip(video).duration == pytest.approx(read_clip(EXAMPLES / "wave.mp4").duration, abs=0.2)


def test_what_one_session_enrols_no_other_session_has(client, server):
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    taught = client.predict([_file("wave"), _file("clap")], "hands", api_name="/enrol")
    assert taught["actions"] == {"hands": 2}
    taught = client.predict([_file("squat"), _file("squat")], "knees", api_name="/enrol")
    assert taught["actions"] == {"hands": 2, "knees": 2} and taught["threshold"] > 0
    assert client.predict(_file("squat"), taught=True, api_name="/classify")["taught"]["label"] == "knees"
    with pytest.raises(AppError, match="taught nothing"):
        Client(server, verbose=False).predict(_file("squat"), taught=True, api_name="/classify")


def test_what_is_no_video_and_weights_that_are_not_there_are_refused(client, tmp_path):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    letter = tmp_path / "letter.mp4"
    letter.write_bytes(b"dear all" * 500)
    with pytest.raises(AppError, match="video"):
        client.predict(handle_file(letter), api_name="/classify")
    with pytest.raises(AppError, match="There are no weights"):
        client.predict(_file("squat"), "../../etc", api_name="/embed")


def test_the_example_in_the_documentation_runs(server, tmp_path):
    root = EXAMPLES.parents[1]
    text = (root / "docs" / "api.md").read_text()
    code = text.split("```python\n")[1].split("```")[0].replace("http://127.0.0.1:7860", server)
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("squat ") for line in lines) and lines[-1] == "knees"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_plain_http_of_the_documentation_runs(server):
    root = EXAMPLES.parents[1]
    code = (root / "docs" / "api.md").read_text().split("```sh\n")[1].split("```")[0]
    assert "URL=http://127.0.0.1:7860\n" in code
    code = code.replace("http://127.0.0.1:7860", server)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code], cwd=root, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0 and "event: complete" in done.stdout, done.stdout + done.stderr
    answer = json.loads(done.stdout.split("data: ")[-1])[0]
    assert len(answer["code"]) > 50
