"""Work: deployments, schedules, pools and workers, and the runs that wait for them."""
