"""Ways to reach a service: gRPC, Connect over HTTP, or one embedded in this process."""
