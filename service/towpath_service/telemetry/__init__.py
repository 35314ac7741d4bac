"""What the service tells of itself: wrappers around what it is made of.

Nothing below this package knows of OpenTelemetry. Without anything to tell, or anybody to tell it
to, there are no wrappers.
"""
