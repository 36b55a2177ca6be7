"""Everything that turnout demands of an engine, by one import."""

from turnout.testing.suite import *  # noqa: F403  # that is how an outside strategy runs it

ENGINE = "pocket"
