"""The wiring of identity: its layer, its keys, and the commands of the operator."""
