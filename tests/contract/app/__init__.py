"""Servers and the keys they start with, on each database."""
