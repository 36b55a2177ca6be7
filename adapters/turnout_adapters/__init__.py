"""The engines: one module each, loaded by entry point only when it is asked for."""
