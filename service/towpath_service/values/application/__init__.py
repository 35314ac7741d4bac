"""What the service does with secrets."""
