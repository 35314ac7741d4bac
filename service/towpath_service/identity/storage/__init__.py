"""The tables of identity, and statements over them."""
