"""The commands of `towpath server`."""
