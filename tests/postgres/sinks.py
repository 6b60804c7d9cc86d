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

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/s3cret-path"


@dataclass
class Smtp:
    """Takes mail; refuses recipients that begin with `refuses`, and everything with a greeting of its own."""

    greeting: str = "220 ready"
    refuses: str = "nobody@"
    certificate: Path | None = None
    taken: list[EmailMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    port: int = 0


@contextmanager
def http() -> Iterator[Http]:
    sink = Http()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(sink.seconds)
            sink.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(sink.status)
            self.send_header("Location", sink.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815  the name that the library calls

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as sink.port:
        yield sink


@contextmanager
def smtp(certificate: Path | None = None) -> Iterator[Smtp]:
    sink = Smtp(certificate=certificate)

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say(sink.greeting)
            while line := self.rfile.readline().decode().strip():
                sink.commands.append(line)
                match line.split()[0].upper():
                    case "EHLO":
                        self.say("250-here" if sink.certificate else "250 here")
                        if sink.certificate:
                            self.say("250-AUTH PLAIN")
                            self.say("250 STARTTLS")
                    case "STARTTLS":
                        self.say("220 go on")
                        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                        context.load_cert_chain(sink.certificate)
                        try:
                            self.request = context.wrap_socket(self.request, server_side=True)
                        except ssl.SSLError:
                            return
                        self.setup()
                    case "AUTH":
                        self.say("235 welcome")
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
    with serving(server) as sink.port:
        yield sink


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def certificate(path: Path) -> Path:
    """A certificate for localhost that vouches for itself, with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=localhost")
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path
