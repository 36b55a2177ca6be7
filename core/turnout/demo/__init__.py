"""A live chat with rooms: what `turnout demo` serves, and how it is checked."""
