"""The engines under all subjects, and the history of the schema."""
