"""Commands about runs, flows and logs."""
