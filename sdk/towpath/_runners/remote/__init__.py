"""What runners have in common whose tasks run in other processes, here or elsewhere.

The flow's process sends a function with what it needs to know of its run (`sending`). The worker
calls it (`bodies`), and hands back reports and an answer (`messages`), which the flow's process
takes up (`taking`).
"""
