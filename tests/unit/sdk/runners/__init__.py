"""Task runners."""
