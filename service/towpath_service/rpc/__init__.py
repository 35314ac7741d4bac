"""The dispatcher of all calls, its checks, and the gRPC server; knows no subject."""
