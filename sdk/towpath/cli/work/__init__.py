"""Commands about pools, queues, workers, deployments and schedules."""
