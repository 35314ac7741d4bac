"""What the application needs of a store of secrets."""
