"""What the application needs of the outside: a store, a bus, a clock."""
