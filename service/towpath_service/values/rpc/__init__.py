"""The handlers of secrets: messages in, messages out."""
