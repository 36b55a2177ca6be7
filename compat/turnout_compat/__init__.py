"""What lets one handler run on any concurrency model and on any version of an engine."""
