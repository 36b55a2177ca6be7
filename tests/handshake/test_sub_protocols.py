"""Sub-protocols: which offer is chosen, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.handshake.negotiating import negotiated, prepared

from turnout.errors import ConfigurationError, HandshakeRefused, UsageError
from turnout.handshake.handler import HandshakeHandler

if TYPE_CHECKING:
    from tests.handshake.conftest import FakeResponse, MakeRequest


class TestSubProtocol:
    @pytest.mark.parametrize(
        ("offers", "spoken", "configured", "selected"),
        [
            (None, ["a"], ["b"], None),
            ("a", ["a"], [], "a"),
            ("b, a", ["a", "b"], [], "b"),
            ("x,  b ,a", ["a", "b"], [], "b"),
            (["x", "b,a"], ["a"], ["b"], "b"),
            ("CHAT.v1", ["Chat.V1"], [], "CHAT.v1"),
            ("CHAT.v1", [], ["chat.V1"], "CHAT.v1"),
            ("x, y", ["a"], ["b"], None),
            ("x", [], [], None),
            ("", ["a"], [], None),
        ],
    )
    def test_the_first_offer_that_is_spoken_in_the_clients_spelling(
        self,
        make_request: MakeRequest,
        response: FakeResponse,
        offers: str | list[str] | None,
        spoken: list[str],
        configured: list[str],
        selected: str | None,
    ) -> None:
        request = make_request({"Sec-WebSocket-Protocol": offers})
        handshake = HandshakeHandler(sub_protocols=configured)
        found = negotiated(handshake, request, response, prepared(*spoken))
        sent = [v for n, v in found.response_headers if n == "Sec-WebSocket-Protocol"]
        assert found.sub_protocol == selected
        assert sent == ([] if selected is None else [selected])

    @given(
        st.lists(st.sampled_from(["a", "A", "b", "c", "d"]), max_size=5),
        st.lists(st.sampled_from(["a", "b", "C"]), max_size=3),
        st.lists(st.sampled_from(["b", "D"]), max_size=2),
    )
    def test_never_one_that_was_not_offered(
        self, offered: list[str], spoken: list[str], configured: list[str]
    ) -> None:
        handshake = HandshakeHandler(sub_protocols=configured)
        selected = handshake.select_sub_protocol(offered, spoken)
        known = {name.lower() for name in spoken + configured}
        matching = [offer for offer in offered if offer.lower() in known]
        assert selected == (matching[0] if matching else None)

    @pytest.mark.parametrize("offers", [None, "x", ""])
    def test_required_and_none_in_common_is_400(
        self, make_request: MakeRequest, response: FakeResponse, offers: str | None
    ) -> None:
        handshake = HandshakeHandler(require_sub_protocol=True)
        request = make_request({"Sec-WebSocket-Protocol": offers})
        with pytest.raises(HandshakeRefused) as refused:
            negotiated(handshake, request, response, prepared("a"))
        assert refused.value.status == 400

    def test_required_and_in_common_is_accepted(
        self, make_request: MakeRequest, response: FakeResponse
    ) -> None:
        handshake = HandshakeHandler(require_sub_protocol=True)
        request = make_request({"Sec-WebSocket-Protocol": "a"})
        assert negotiated(handshake, request, response, prepared("a")).sub_protocol == "a"

    def test_one_string_is_one_name(self) -> None:
        assert HandshakeHandler(sub_protocols="chat").sub_protocols == ("chat",)

    @pytest.mark.parametrize("name", ["", "a b", "a,b", "é", 'a"b'])
    def test_a_name_that_cannot_be_sent_is_a_configuration_error(self, name: str) -> None:
        with pytest.raises(ConfigurationError):
            HandshakeHandler(sub_protocols=[name])

    @pytest.mark.parametrize("chosen", ["other", "CHAT", "chat\r\nX-Injected: 1", ""])
    def test_only_an_offer_can_be_chosen(
        self, make_request: MakeRequest, response: FakeResponse, chosen: str
    ) -> None:
        class Inventing(HandshakeHandler):
            def select_sub_protocol(self, *args: object) -> str:
                return chosen

        request = make_request({"Sec-WebSocket-Protocol": "chat, another"})
        with pytest.raises(UsageError, match="not offered"):
            negotiated(Inventing(), request, response)
