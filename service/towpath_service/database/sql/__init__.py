"""Statements over sets of rows, and row security."""
