"""The harness for users' tests."""
