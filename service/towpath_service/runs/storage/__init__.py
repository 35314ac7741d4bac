"""The tables of runs, and statements over them."""
