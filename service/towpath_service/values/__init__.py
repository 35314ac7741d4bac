"""Values that runs use: secrets, sealed with a data key for each tenant."""
