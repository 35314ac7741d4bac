"""The service's edge: messages in, messages out, one dispatch for every transport."""
