"""The aiohttp engine: `standard` (turnout's driver) and `native` (aiohttp's `WebSocketResponse`).

`turnout serve --engine aiohttp` runs aiohttp's own server; `mount` serves a registry within an
application that already exists.
"""

from turnout_adapters.aiohttp.mount import mount
from turnout_adapters.aiohttp.strategy import AiohttpStrategy, NativeAiohttpStrategy

__all__ = ["AiohttpStrategy", "NativeAiohttpStrategy", "mount"]
