"""Lock managers: exclusive locks by key, for runs that may not compute the same at once."""
