"""Where settings come from: flags, the environment, files, defaults."""
