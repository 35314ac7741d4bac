"""The kind "kubernetes": a run is a Job, whose pod has a shim as its first process.

Only `client` imports a client library, the extra `towpath[kubernetes]`; the others know the
protocol in `cluster`, and objects as the API has them.
"""
