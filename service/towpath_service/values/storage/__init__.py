"""The tables of secrets, and statements over them."""
