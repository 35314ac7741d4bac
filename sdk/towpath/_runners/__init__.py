"""Task runners: where tasks run."""
