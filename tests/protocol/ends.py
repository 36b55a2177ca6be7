"""A connection between a recording session and a recording transport."""

from __future__ import annotations

from tests.protocol.wire import RecordingTransport, attach

from turnout.options import WebSocketOptions
from turnout.protocol.connection import StandardConnection
from turnout.protocol.extensions import DeflateParameters

OPTIONS = WebSocketOptions()
BYE = (4001).to_bytes(2, "big") + b"bye"


class Ends:
    """A connection between a recording session and a recording transport."""

    def __init__(
        self,
        *,
        echo: bool = False,
        partial: bool = False,
        deflate: DeflateParameters | None = None,
        early_data: bytes = b"",
        started: bool = True,
    ) -> None:
        self.transport = RecordingTransport()
        self.connection = StandardConnection(
            self.transport, OPTIONS, deflate, partial=partial, early_data=early_data
        )
        self.transport.protocol = self.connection
        self.session = attach(self.connection, echo=echo)
        if started:
            self.connection.start()

    def receive(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.connection.data_received(chunk)

    @property
    def ends(self) -> list[str]:
        """What the transport was asked to do about its end."""
        return [call for call in self.transport.calls if not call.endswith("_reading")]
