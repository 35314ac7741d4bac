"""Tests of `towpath_service` that need no database server, a folder for each subject."""
