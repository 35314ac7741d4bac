"""The handler of SecretService."""
