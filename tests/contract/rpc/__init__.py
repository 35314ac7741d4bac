"""Calls over the network, answered from each database."""
