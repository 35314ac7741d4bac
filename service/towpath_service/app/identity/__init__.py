"""Identity, as the composition root puts it together."""
