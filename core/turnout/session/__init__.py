"""The session: one open connection, its two buffers, its end, and the handler over it."""
