"""The handlers of identity: messages in, messages out."""
