"""Services in the test's own process, and ways to call them."""
