"""The standard driver: RFC 6455 and RFC 7692 without I/O, for every runtime."""
