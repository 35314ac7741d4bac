"""Set-based statements, notices and row security, for the storage of every subject."""
