"""What the service does with identity."""
