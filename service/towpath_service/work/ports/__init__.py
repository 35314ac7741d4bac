"""The ports of work: its stores, by resource."""
