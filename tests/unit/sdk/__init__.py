"""Tests of `towpath`, a folder for each of its packages."""
