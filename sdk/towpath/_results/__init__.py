"""Results on disk: how values are written, where they lie, and the keys that find them again."""
