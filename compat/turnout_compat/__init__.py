"""The runtimes (asyncio, gevent, threads), and shims for what some engine versions get wrong."""
