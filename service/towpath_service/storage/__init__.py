"""The store: the schema, its history, and statements over it."""
