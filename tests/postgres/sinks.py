"""Real servers on this machine that take messages: one for HTTP, one for SMTP, with TLS and without."""

import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Http:
    """Answers `status` (with a redirect's target, too) after `seconds`; what it was sent."""

    status: int = 204
    seconds: float = 0.0
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hooks/s3cret-path"


@dataclass
class Smtp:
    """Takes mail; refuses recipients that begin with `refuses`, and everything with a greeting of its own.

    With a certificate it offers STARTTLS, or speaks TLS from the first byte (`implicit`).
    """

    greeting: str = "220 ready"
    refuses: str = "nobody@"
    login: str = "235 welcome"
    certificate: Path | None = None
    implicit: bool = False
    taken: list[EmailMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    port: int = 0


@contextmanager
def http(certificate: Path | None = None) -> Iterator[Http]:
    sink = Http(scheme="https" if certificate else "http")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
            time.sleep(sink.seconds)
            self.send_response(sink.status)
            self.send_header("Location", sink.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815  the name that the library calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # who hangs up is no news
    if certificate:
        server.socket = _tls(certificate).wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server) as sink.port:
        yield sink


@contextmanager
def smtp(certificate: Path | None = None, *, implicit: bool = False) -> Iterator[Smtp]:
    sink = Smtp(certificate=certificate, implicit=implicit)

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def encrypt(self) -> bool:
            try:
                self.request = _tls(sink.certificate).wrap_socket(self.request, server_side=True)
            except ssl.SSLError:
                return False
            self.setup()
            return True

        def handle(self) -> None:
            if sink.implicit and not self.encrypt():
                return
            self.say(sink.greeting)
            while line := self.rfile.readline().decode().strip():
                sink.commands.append(line)
                match line.split()[0].upper():
                    case "EHLO":
                        self.say("250-here" if sink.certificate else "250 here")
                        if sink.certificate:
                            self.say("250-AUTH PLAIN")
                            self.say("250 fine" if sink.implicit else "250 STARTTLS")
                    case "STARTTLS":
                        self.say("220 go on")
                        if not self.encrypt():
                            return
                    case "AUTH":
                        self.say(sink.login)
                    case "RCPT":
                        self.say("550 unknown" if sink.refuses in line else "250 fine")
                    case "DATA":
                        self.say("354 go on")
                        lines = list(iter(self.rfile.readline, b".\r\n"))
                        sink.taken.append(message_from_bytes(b"".join(lines), policy=policy.default))
                        self.say("250 taken")
                    case "QUIT":
                        self.say("221 bye")
                        return
                    case _:
                        self.say("250 fine")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    with serving(server) as sink.port:
        yield sink


def _tls(certificate: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """The port of a server that gives every connection one answer, and hangs up."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.wfile.write(answer)

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(path: Path, name: str = "localhost") -> Path:
    """A certificate for a name and 127.0.0.1 that vouches for itself, with its key, in one file."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, issuer = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string(f"CN={name}")
    names = [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(issuer, issuer, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path
