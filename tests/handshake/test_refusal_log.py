"""What the log says of a handshake that a check refuses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from tests.handshake.negotiating import refusal_of

if TYPE_CHECKING:
    from tests.handshake.conftest import MakeRequest


class TestLog:
    def test_one_line_without_secrets(
        self, make_request: MakeRequest, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "turnout.handshake")
        refusal_of(make_request({"Upgrade": "h2c"}, target="/chat?token=secret&a=b"))
        (record,) = caplog.records
        assert record.getMessage() == (
            "handshake refused with 400 by HandshakeHandler: Upgrade is 'h2c'"
            " (GET /chat?token=***&a=*** from 192.0.2.7:40000)"
        )

    def test_a_forbidden_origin_is_a_warning_with_the_compared_values(
        self, make_request: MakeRequest, caplog: pytest.LogCaptureFixture
    ) -> None:
        refusal_of(make_request({"Origin": "https://example.org"}, peer="/run/app.sock"))
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "https://example.org is not the server's own http://example.org" in record.message
        assert "from unix:/run/app.sock" in record.message

    @pytest.mark.parametrize("name", ["Upgrade", "Connection", "Sec-WebSocket-Version", "Origin"])
    def test_whatever_the_client_sends_it_stays_one_short_line(
        self, make_request: MakeRequest, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        caplog.set_level(logging.INFO, "turnout.handshake")
        request = make_request()
        hostile = "x\r\n\x1b[31mfake line\u2028\x85" + "y" * 5000
        request.headers.remove(name)
        request.headers._fields.append((name, hostile))
        refusal_of(request)
        (record,) = caplog.records
        line = record.getMessage()
        assert line.isprintable()
        assert len(line) < 1000

    def test_the_key_is_never_logged(
        self, make_request: MakeRequest, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        refusal_of(make_request({"Sec-WebSocket-Key": "not-a-key-but-secret"}))
        assert "not-a-key" not in caplog.text
