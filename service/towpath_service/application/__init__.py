"""What the service does, in terms of its domain and its ports."""
