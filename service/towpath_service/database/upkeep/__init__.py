"""What looks after a database: plans, sizes, maintenance."""
