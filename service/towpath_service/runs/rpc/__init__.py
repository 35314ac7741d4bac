"""The handlers of runs: messages in, messages out."""
