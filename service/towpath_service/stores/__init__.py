"""The store of every subject on one database."""
