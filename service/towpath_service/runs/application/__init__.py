"""What the service does with runs."""
