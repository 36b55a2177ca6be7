"""The end of our direction of TLS, on a socket whose peer may still be sending."""

from __future__ import annotations

import ssl
from typing import Any, Final

__all__ = ["send_close_notify"]

STILL_SENDING: Final = "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"


def send_close_notify(sock: Any) -> bool:
    """Send close_notify; return True if the peer's own has come, False if it is still to come.

    What comes until then can be read, to be dropped. As soon as its close_notify is out, OpenSSL
    looks for the peer's; what the peer was still sending it takes for a failure, and reads no
    more. Then the bytes are read as they come, which is all that dropping them needs: a socket
    that is closed with unread input resets the connection, and what we wrote may be lost.

    Raises `OSError` or `ValueError` when the peer has gone.
    """
    try:
        sock.unwrap()
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return False
    except ssl.SSLError as error:
        if error.reason != STILL_SENDING:
            raise
        sock._sslobj = None  # noqa: SLF001  # as `unwrap` leaves it; there is no public way to it
        return False
    return True
