"""Database maintenance for commands: upgrade plans, sizes, and single connections."""
