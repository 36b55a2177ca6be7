"""Strategies with one mistake each, as an author might make it, over a sound server."""

from __future__ import annotations

__all__ = ["STRATEGIES"]

HEAD = """
    import asyncio, os, time
    from turnout_pocket import PocketStrategy
    from turnout.protocol.connection import StandardConnection

    class Strategy(PocketStrategy):
        name = "broken"
        distribution = None
"""

STRATEGIES = {
    name: HEAD + body
    for name, body in {
        "sound": "",
        "upgrade_raises": """
        async def upgrade(self, request, response, upgrade):
            raise RuntimeError("not written yet")
""",
        "upgrade_waits": """
        async def upgrade(self, request, response, upgrade):
            await asyncio.Event().wait()
""",
        "loop_is_blocked": """
        async def upgrade(self, request, response, upgrade):
            time.sleep(3600)
""",
        "process_ends": """
        async def upgrade(self, request, response, upgrade):
            os._exit(3)
""",
        "serve_raises": """
        def serve(self, registry, settings):
            raise RuntimeError("no idea how to listen")
""",
        "serve_says_nothing": """
        def serve(self, registry, settings):
            time.sleep(3600)
""",
        "ends_at_a_ping": """
        async def upgrade(self, request, response, upgrade):
            StandardConnection._answer_ping = lambda self, payload: os._exit(3)
            await super().upgrade(request, response, upgrade)
""",
        "deaf_to_violations": """
        async def upgrade(self, request, response, upgrade):
            from turnout import WebSocketSession

            WebSocketSession.failed = lambda self, status, error: None
            await super().upgrade(request, response, upgrade)
""",
        "close_without_a_code": """
        async def upgrade(self, request, response, upgrade):
            from turnout.protocol.encoder import FrameEncoder

            FrameEncoder.encode_close = lambda self, status: bytes([0x88, 0])
            await super().upgrade(request, response, upgrade)
""",
        "claims_too_little": """
        from turnout import Capabilities
        capabilities = Capabilities(partial_send=False)
""",
    }.items()
}
"""The code of each, a module with a class `Strategy`."""
