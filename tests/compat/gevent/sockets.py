"""Connected gevent sockets."""

from __future__ import annotations

from gevent import socket

BUFFER = 256 * 1024
"""What the kernel keeps at each end: left alone, it takes more and more as it gets to know them."""


def connected() -> tuple[socket.socket, socket.socket]:
    """Return the server's and the client's end of a TCP connection; the kernel buffers little."""
    far = socket.socket()
    with socket.socket() as listener:  # `create_server` would make one that blocks the hub
        for one in (listener, far):  # what is accepted has it of the listener
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        far.connect(listener.getsockname())
        near, _ = listener.accept()
    return near, far
