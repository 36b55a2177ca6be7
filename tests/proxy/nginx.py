"""nginx as a reverse proxy, from a prefix of its own, on ports that were free."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from turnout.http import Address
from turnout.testing.certificates import Certificate

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen {plain[0]}:{plain[1]};
        listen {secure[0]}:{secure[1]} ssl;
        ssl_certificate {certificate.chain};
        ssl_certificate_key {certificate.key};
        location / {{
            proxy_pass http://{backend[0]}:{backend[1]};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


class Nginx:
    """A running nginx; it inherits its sockets, so no port can be taken in between."""

    def __init__(
        self, program: Path, prefix: Path, backend: Address, certificate: Certificate
    ) -> None:
        self.prefix = prefix
        with socket.create_server(("127.0.0.1", 0)) as plain:
            with socket.create_server(("127.0.0.1", 0)) as secure:
                self.plain: tuple[str, int] = plain.getsockname()
                self.secure: tuple[str, int] = secure.getsockname()
                self._configure(backend, certificate)
                self.process = self._start(program, (plain.fileno(), secure.fileno()))

    def _configure(self, backend: Address, certificate: Certificate) -> None:
        text = CONFIGURATION.format(
            prefix=self.prefix,
            plain=self.plain,
            secure=self.secure,
            backend=backend,
            certificate=certificate,
        )
        (self.prefix / "nginx.conf").write_text(text)

    def _start(self, program: Path, sockets: tuple[int, ...]) -> subprocess.Popen[bytes]:
        inherited = "".join(f"{one};" for one in sockets)
        return subprocess.Popen(
            [program, "-p", self.prefix, "-c", "nginx.conf", "-e", "error.log"],
            env={**os.environ, "NGINX": inherited},
            pass_fds=sockets,
            stdin=subprocess.DEVNULL,
        )

    @property
    def log(self) -> str:
        """What nginx complains of."""
        return (self.prefix / "error.log").read_text()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.terminate()
        self.process.wait(10)
