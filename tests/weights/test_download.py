"""Downloads against a server on this machine that resumes, cuts off, lies and refuses."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torchvision

from actrec.core.errors import BadValue
from actrec.systems import public_file, public_files
from actrec.weights import catalogue
from actrec.weights import download as fetching
from actrec.weights.catalogue import CLIPS, Entry, entry, of_kind
from actrec.weights.download import DownloadError, Progress, cache_folder, download, fetched

CONTENT = bytes(range(256)) * 4000  # 1 MB
SUM = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT at every address; the server's `mood` says how."""

    def do_GET(self) -> None:
        server = self.server
        range_header = self.headers.get("Range")
        server.ranges.append(range_header)
        body, first = CONTENT, 0
        if server.mood == "gone":
            self.send_error(404)
            return
        if server.mood == "other":
            body = body[::-1]
        if range_header and server.mood == "unsatisfiable":
            self.send_error(416)
            server.mood = "good"
            return
        if range_header and server.mood != "no ranges":
            first = int(range_header.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if server.mood != "no length":
            self.send_header("Content-Length", str(len(body) - first + (10**6 if server.mood == "too long" else 0)))
        self.end_headers()
        end = len(body) // 2 if server.mood == "cut" else len(body)
        self.wfile.write(body[first:end])

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of these tests."""


@pytest.fixture
def server():
    server = Server(("127.0.0.1", 0), Handler)
    server.mood, server.ranges = "good", []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def file_of(server: http.server.ThreadingHTTPServer, sha256: str = SUM, size: int | None = len(CONTENT)) -> Entry:
    return Entry("thing", "clip", "A thing", f"http://127.0.0.1:{server.server_port}/a/thing.bin", "none", sha256, size)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_arrives_whole_and_is_not_fetched_twice(server, tmp_path):
    seen: list[Progress] = []
    path = download(file_of(server), tmp_path, seen.append)
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["thing.bin"]
    assert seen[-1].done == seen[-1].total == len(CONTENT)
    assert [p.done for p in seen] == sorted(p.done for p in seen) and len(seen) > 2
    assert download(file_of(server), tmp_path) == path == fetched(file_of(server), tmp_path)
    assert server.ranges == [None]


def test_a_cut_connection_goes_on_where_it_stopped(server, tmp_path):
    server.mood = "cut"
    with pytest.raises(DownloadError, match=r"broke off after 0\.5 MB of thing\.bin") as error:
        download(file_of(server), tmp_path)
    assert error.value.code == "broken" and names(tmp_path) == ["thing.bin.part"]
    server.mood = "good"
    assert download(file_of(server), tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=512000-"] and names(tmp_path) == ["thing.bin"]


@pytest.mark.parametrize("mood", ["no ranges", "unsatisfiable", "no length"])
def test_a_server_that_cannot_resume_starts_again(server, tmp_path, mood):
    (tmp_path / "thing.bin.part").write_bytes(b"old and wrong")
    server.mood = "no ranges" if mood == "no length" else mood
    assert download(file_of(server), tmp_path).read_bytes() == CONTENT


def test_a_size_that_nobody_tells_is_no_hindrance(server, tmp_path):
    server.mood = "no length"
    seen: list[Progress] = []
    assert download(file_of(server, size=None), tmp_path, seen.append).read_bytes() == CONTENT
    assert seen[0].total is None


def test_a_wrong_checksum_leaves_nothing_behind(server, tmp_path):
    server.mood = "other"
    with pytest.raises(DownloadError, match="not the file the catalogue names") as error:
        download(file_of(server), tmp_path)
    assert error.value.code == "checksum" and names(tmp_path) == []


def test_a_resumed_file_that_does_not_fit_is_thrown_away(server, tmp_path):
    (tmp_path / "thing.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(DownloadError) as error:
        download(file_of(server), tmp_path)
    assert error.value.code == "checksum" and names(tmp_path) == []
    assert download(file_of(server), tmp_path).read_bytes() == CONTENT


def test_a_file_that_changed_since_is_named_and_left(server, tmp_path):
    path = tmp_path / "thing.bin"
    path.write_bytes(b"edited")
    with pytest.raises(DownloadError, match=r"delete .*thing\.bin to fetch it again"):
        download(file_of(server), tmp_path)
    assert path.read_bytes() == b"edited" and server.ranges == []


def test_more_bytes_than_the_catalogue_says_are_refused_before_they_come(server, tmp_path):
    server.mood = "too long"
    with pytest.raises(DownloadError, match=r"offers 2024000 bytes for thing\.bin, the catalogue says 1024000"):
        download(file_of(server), tmp_path)


def test_no_network_is_one_sentence(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nobody = Entry("thing", "clip", "A thing", f"http://127.0.0.1:{port}/thing.bin", "none", SUM)
    with pytest.raises(DownloadError, match=r"cannot be reached .*: connect to the network and try again") as error:
        download(nobody, tmp_path)
    assert error.value.code == "offline" and "\n" not in str(error.value) and names(tmp_path) == []


def test_a_refusal_names_the_answer(server, tmp_path):
    server.mood = "gone"
    with pytest.raises(DownloadError, match="answers 404") as error:
        download(file_of(server), tmp_path)
    assert error.value.code == "refused" and names(tmp_path) == []


def test_stopping_keeps_what_has_come(server, tmp_path):
    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        raise Stop

    with pytest.raises(Stop):
        download(file_of(server), tmp_path, stop)
    assert 0 < (tmp_path / "thing.bin.part").stat().st_size < len(CONTENT)
    assert download(file_of(server), tmp_path).read_bytes() == CONTENT and server.ranges[1] is not None


def test_two_at_once_fetch_once(server, tmp_path):
    threads = [threading.Thread(target=download, args=(file_of(server), tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.ranges == [None] and names(tmp_path) == ["thing.bin"]


def test_first_digits_are_compared_and_the_full_sum_is_recorded(server, tmp_path):
    with pytest.raises(DownloadError):
        download(file_of(server, "0" * 8), tmp_path)
    path = download(file_of(server, SUM[:8]), tmp_path)
    assert (tmp_path / "thing.bin.sha256").read_text() == f"{SUM}  thing.bin\n"
    path.unlink()
    # Another file with the same first digits would now be noticed: the recorded sum counts.
    (tmp_path / "thing.bin.sha256").write_text(SUM[:8] + "0" * 56 + "  thing.bin\n")
    with pytest.raises(DownloadError, match="instead of " + SUM[:8] + "0{8}"):
        download(file_of(server, SUM[:8]), tmp_path)


def test_a_folder_that_cannot_be_written_is_a_sentence(server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DownloadError, match="cannot be written") as error:
        download(file_of(server), tmp_path / "file" / "below")
    assert error.value.code == "disk"


def test_the_cache_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("ACTREC_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "actrec"


# --- the catalogue ---------------------------------------------------------------------------------


@pytest.mark.parametrize("item", public_files().values(), ids=list(public_files()))
def test_every_entry_says_what_a_user_must_know(item):
    assert item.title and item.licence and item.url.startswith("https://")
    assert set(item.sha256) <= set("0123456789abcdef") and len(item.sha256) in (8, 64)
    assert item.size.endswith(" MB")
    assert item.full_sum == (item.bytes is not None)


VIDEO = {
    "r3d_18": "R3D_18", "mc3_18": "MC3_18", "r2plus1d_18": "R2Plus1D_18", "s3d": "S3D", "mvit_v1_b": "MViT_V1_B",
    "mvit_v2_s": "MViT_V2_S", "swin3d_t": "Swin3D_T",
}  # fmt: skip


@pytest.mark.parametrize(("key", "name"), VIDEO.items())
def test_kinetics_entries_are_torchvisions(key, name):
    weights = getattr(torchvision.models.video, f"{name}_Weights").KINETICS400_V1
    found = entry(key)
    assert found.url == weights.url
    assert weights.url.endswith(f"-{found.sha256}.pth")  # torch's convention: first eight digits of the SHA-256
    assert found.megabytes == pytest.approx(weights.meta["_file_size"] * 2**20 / 1e6, abs=0.06)
    top_1 = weights.meta["_metrics"]["Kinetics-400"]["acc@1"]
    assert float(found.note.split(" %")[0]) == pytest.approx(top_1, abs=0.051)


@pytest.mark.parametrize(("key", "name"), [("resnet18-imagenet", "ResNet18"), ("resnet50-imagenet", "ResNet50")])
def test_imagenet_entries_are_torchvisions(key, name):
    weights = getattr(torchvision.models, f"{name}_Weights").IMAGENET1K_V1
    found = public_file(key)
    assert found.url == weights.url and weights.url.endswith(f"-{found.sha256[:8]}.pth")
    assert found.bytes / 2**20 == pytest.approx(weights.meta["_file_size"], abs=0.06)


def test_kinds_and_unknown_keys():
    assert len(of_kind("clip")) == 14 and len(of_kind("kinetics-400")) == 7
    for look_up in (entry, public_file):
        with pytest.raises(BadValue, match=r"no public file 'yolo3'\. Known: r3d_18, mc3_18"):
            look_up("yolo3")


SAMPLES = {"one-by-one": "intel_one_by_one_person.mp4", "arm-wrestling": "k400_arm_wrestling_mmaction2_demo.mp4"}
SAMPLES |= {"two-people": "mmaction2_demo_skeleton.mp4", "street-dance": "mmpose_demo.mp4"}


def test_every_clip_of_the_catalogue_downloads(shared_data, tmp_path, monkeypatch):
    """The same files lie in the samples: a server hands them out under the catalogue's own paths."""
    samples = shared_data / "samples"
    by_path = {urlsplit(clip.url).path: samples / (SAMPLES.get(clip.key) or f"asl/{clip.file}") for clip in CLIPS}

    class Samples(Handler):
        def do_GET(self) -> None:
            body = by_path[self.path].read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Samples)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        for clip in CLIPS:
            near = f"http://127.0.0.1:{server.server_port}{urlsplit(clip.url).path}"
            moved = catalogue.Entry(clip.key, clip.kind, clip.title, near, clip.licence, clip.sha256, clip.bytes)
            folder = tmp_path / clip.key
            assert download(moved, folder).stat().st_size == clip.bytes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_importing_fetches_nothing(monkeypatch):
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a download without being asked")

    monkeypatch.setattr(fetching.urllib.request, "urlopen", no_network)
    assert fetched(entry("yolo26n"), Path("/nonexistent")) is None
