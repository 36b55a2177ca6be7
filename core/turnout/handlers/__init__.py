"""Handlers: what users write, and what turnout has to know of it."""
