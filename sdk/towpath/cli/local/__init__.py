"""Commands about this machine: settings, profiles, outboxes, diagnosis."""
