"""From which hosts files of models and runs are fetched: whoever may register a version may name any as its source.

MLflow fetches from all of them, follows redirects, and sends the tracking server's token along. Here every repository
of files that MLflow makes in this process is asked for first:

- local paths and `file:` are read as they are; `models:` and `runs:` lead to one of the others;
- `mlflow-artifacts:` and `http(s)://` are fetched from the tracking server (its host and port), and from what
  MLOPS_ARTIFACT_HOSTS lists as `host` or `host:port`;
- every other scheme (`s3`, `gs`, `abfss`, `wasbs`, `dbfs`, `hdfs`, `ftp`, `sftp` …) only as it is listed, with its
  scheme: `s3://bucket`, `gs://bucket`, `abfss://account.dfs.core.windows.net`, `dbfs:`;
- a name that leads to this machine or to a link-local address is refused although it is listed, unless it is the
  tracking server's or is listed as `localhost` or as that very address;
- only the tracking server is sent its token, and a redirect is followed nowhere.
"""

import ipaddress
import posixpath
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.artifact import artifact_repository_registry
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import MlflowHostCreds, http_request
from mlflow.utils.uri import validate_path_is_safe

from mlops.errors import BadInput

__all__ = ["ArtifactHosts", "guard"]

SETTING = "MLOPS_ARTIFACT_HOSTS"
FREE = frozenset({"", "file", "models", "runs"})
"""Schemes that fetch nothing from elsewhere, or only by one of the others."""
HTTP = frozenset({"http", "https", "mlflow-artifacts"})
"""What a host without a scheme is listed for."""
PORTS = {"http": 80, "https": 443}
TIMEOUT_SECONDS, RETRIES = 10, 1
"""Of a host that is not the tracking server; MLflow's own 7 retries of 120 seconds are a quarter of an hour."""
CHUNK_BYTES = 2**20  # of a file that is being downloaded; chosen, not measured
Resolve = Callable[[str], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One host of the setting; None where it says nothing."""

    scheme: str | None
    host: str
    port: int | None

    @classmethod
    def of(cls, text: str) -> "Entry":
        """BadInput for what is no `host`, `host:port`, `scheme://host` or `scheme:`."""
        scheme, colon, rest = text.partition("://") if "://" in text else ("", "", text)
        if not colon and text.endswith(":") and text[:-1].isalnum():
            return cls(text[:-1].lower(), "", None)
        try:
            parts = urlsplit(f"//{rest}")
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise _no_host(text) from error
        if not host or "*" in host or parts.path or parts.query or parts.username:
            raise _no_host(text)
        return cls(scheme.lower() or None, host, port)

    def takes(self, place: SplitResult) -> bool:
        """Whether it lists the host of a URI."""
        if place.scheme not in HTTP if self.scheme is None else place.scheme != self.scheme:
            return False
        return self.host == (place.hostname or "") and self.port in (None, _port(place))


@dataclass(frozen=True, slots=True)
class ArtifactHosts:
    """The hosts that files may be fetched from, beside the tracking server."""

    listed: tuple[Entry, ...]
    tracking: SplitResult

    @classmethod
    def of(cls, setting: str, tracking_uri: str) -> "ArtifactHosts":
        """As MLOPS_ARTIFACT_HOSTS says, by commas; BadInput for an entry that is no host."""
        entries = tuple(Entry.of(entry.strip()) for entry in setting.split(",") if entry.strip())
        return cls(entries, urlsplit(tracking_uri))

    def is_tracking(self, uri: str) -> bool:
        """Whether a URI leads to the tracking server itself."""
        place = urlsplit(uri)
        if place.scheme == "mlflow-artifacts" and not place.netloc:
            return True
        ours = self.tracking
        if place.scheme not in HTTP or ours.scheme not in PORTS:
            return False
        same = place.scheme in ("mlflow-artifacts", ours.scheme)
        return same and (place.hostname, _port(place, ours.scheme)) == (ours.hostname, _port(ours))

    def objection(self, uri: str, resolve: Resolve | None = None) -> str | None:
        """Why nothing is fetched from a URI; None when it may be."""
        try:
            place = urlsplit(uri)
            host, _ = place.hostname or "", place.port
        except ValueError:
            return "its address can't be read"
        if place.scheme in FREE or len(place.scheme) == 1 or self.is_tracking(uri):  # one letter is a drive of Windows
            return None
        shown = f"{place.scheme}://{host}" if host else f"{place.scheme}:"
        if "\\" in place.netloc or any(letter.isspace() for letter in place.netloc):
            return f"{shown} is no address of a host"
        entries = [entry for entry in self.listed if entry.takes(place)]
        if not entries:
            wanted = host if place.scheme in HTTP else shown
            return f"{shown} is not the tracking server; if these files are to be trusted, list {wanted} in {SETTING}"
        if host and place.scheme not in BUCKETS and not _names_an_address(host):
            near = next((address for address in (resolve or _addresses)(host) if _is_near(address)), None)
            if near is not None:
                return f"{shown} is listed in {SETTING}, but leads to {near}, on this machine or its link"
        return None


BUCKETS = frozenset({"s3", "gs", "wasbs"})
"""Schemes whose host is the name of a bucket or container; where that is, this process's own settings say."""


def guard(hosts: ArtifactHosts) -> None:
    """Have MLflow make no repository of files in this process to which `hosts` objects; the newest call counts."""
    registry: Any = artifact_repository_registry._artifact_repository_registry  # it has no other door
    for scheme, made in registry.get_registered_artifact_repositories().items():
        original = made.original if isinstance(made, _Guarded) else made
        if scheme not in FREE:
            registry.register(scheme, _Guarded(hosts, original))


@dataclass(frozen=True, slots=True)
class _Guarded:
    """Makes a repository, if there is no objection; what MLflow calls in place of `original`."""

    hosts: ArtifactHosts
    original: Callable[..., Any]

    def __call__(self, artifact_uri: str, **given: Any) -> Any:
        objection = self.hosts.objection(artifact_uri)
        if objection is not None:
            raise MlflowException(f"nothing is fetched from there: {objection}", error_code=PERMISSION_DENIED)
        scheme = urlsplit(artifact_uri).scheme
        if scheme in PORTS:
            return _Http(artifact_uri, self.hosts.is_tracking(artifact_uri), **given)
        if scheme == "mlflow-artifacts" and not self.hosts.is_tracking(artifact_uri):
            tracking = given.get("tracking_uri") or self.hosts.tracking.geturl()
            resolved = MlflowArtifactsRepository.resolve_uri(artifact_uri, tracking)  # type: ignore[no-untyped-call]
            return _Http(resolved, False, **given)
        return self.original(artifact_uri, **given)


class _Http(HttpArtifactRepository):
    """Files of an MLflow server by HTTP: without its token unless it is the tracking server, and without redirects."""

    def __init__(self, artifact_uri: str, tracking: bool, **given: Any) -> None:
        super().__init__(artifact_uri, **given)  # type: ignore[no-untyped-call]
        self._tracking = tracking

    @property
    def _host_creds(self) -> Any:
        return self._credentials(self.artifact_uri)

    def _credentials(self, address: str) -> Any:
        if self._tracking:
            return get_default_host_creds(address)  # type: ignore[no-untyped-call]
        return MlflowHostCreds(host=address)  # type: ignore[no-untyped-call]

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """The files below a path, as an MLflow server lists them; another server lists nothing."""
        endpoint = "/mlflow-artifacts/artifacts"
        address, separator, tail = self.artifact_uri.partition(endpoint)
        if not separator:
            return []
        root = tail.lstrip("/")
        answer = self._get(self._credentials(address), endpoint, params={"path": posixpath.join(root, path or "")})
        files = []
        for listed in answer.json().get("files", []):
            name = validate_path_is_safe(listed["path"])  # type: ignore[no-untyped-call]
            size = int(listed["file_size"]) if "file_size" in listed else None
            files.append(FileInfo(posixpath.join(path, name) if path else name, listed["is_dir"], size))
        alone = len(files) == 1 and not files[0].is_dir and path is not None
        if alone and files[0].path == posixpath.join(path or "", posixpath.basename(path or "")):
            return []  # the path is a file
        return sorted(files, key=lambda file: str(file.path))

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        answer = self._get(self._host_creds, posixpath.join("/", remote_file_path), stream=True)
        with open(local_path, "wb") as file:  # noqa: PTH123
            for chunk in answer.iter_content(chunk_size=CHUNK_BYTES):
                file.write(chunk)

    def _get(self, credentials: Any, endpoint: str, **given: Any) -> Any:
        bounds = {} if self._tracking else {"timeout": TIMEOUT_SECONDS, "max_retries": RETRIES}
        given |= {"allow_redirects": False} | bounds
        answer = http_request(credentials, endpoint, "GET", **given)  # type: ignore[no-untyped-call]
        if answer.is_redirect or answer.is_permanent_redirect:
            raise MlflowException("it redirects to another address, which is not followed", PERMISSION_DENIED)
        answer.raise_for_status()
        return answer


def _port(place: SplitResult, scheme: str | None = None) -> int | None:
    return place.port or PORTS.get(scheme or place.scheme)


def _names_an_address(host: str) -> bool:
    """Whether it says itself where it leads; that it is listed is then meant so."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _is_near(address: str) -> bool:
    written = ipaddress.ip_address(address.partition("%")[0])
    meant = getattr(written, "ipv4_mapped", None) or written
    return meant.is_loopback or meant.is_link_local or meant.is_unspecified


def _addresses(host: str) -> list[str]:
    """Where a name leads; nowhere when it is unknown, which the request then says."""
    try:
        return [str(answer[4][0]) for answer in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []


def _no_host(text: str) -> BadInput:
    return BadInput(
        f"{text!r} in {SETTING} is no host; expected host, host:port, or another scheme with its host as s3://bucket,"
        " by commas"
    )
