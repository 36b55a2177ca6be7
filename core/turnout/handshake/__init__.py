"""The opening handshake: its checks, its interceptors, and what it agrees on."""
