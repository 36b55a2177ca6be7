"""One module or package for each engine: views, upgrade strategy, connection, mount, serve."""
