"""Values that runs use: secrets."""
