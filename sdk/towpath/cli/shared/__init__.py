"""What several commands share: errors, sessions, tables, groups."""
