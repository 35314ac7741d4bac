"""The ports of identity: its store, sealing and issuers."""
