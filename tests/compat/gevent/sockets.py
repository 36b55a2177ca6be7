"""Connected gevent sockets."""

from __future__ import annotations

from gevent import socket


def connected() -> tuple[socket.socket, socket.socket]:
    """Return the server's and the client's end of a TCP connection."""
    with socket.socket() as listener:  # `create_server` would make one that blocks the hub
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    return near, far
