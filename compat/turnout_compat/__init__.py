"""The runtimes (asyncio, gevent, threads) and the shims for what single engine versions get wrong."""
