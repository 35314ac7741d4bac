# Generated from protos/ by protos/generate.py. Do not edit.
"""Generated messages and stubs of the contract."""
