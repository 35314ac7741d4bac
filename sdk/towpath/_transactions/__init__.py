"""Transactions: what runs have done, committed or rolled back as a whole."""
