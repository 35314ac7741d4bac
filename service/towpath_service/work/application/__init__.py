"""The use cases of work, which its handlers and background loops call."""
