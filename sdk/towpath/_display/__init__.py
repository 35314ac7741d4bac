"""How a running flow shows itself in the terminal it was started in.

`begin.observed()` puts an `Observer` between the engine and the reporter of a root flow run. It
notes what is reported and passes it on; a thread of the display makes a `Tree` of the notes, and a
view shows it: `LiveView` redraws a tree below what is printed, `PlainView` writes lines. Both write
to standard error. See docs/guides/display.md for what users see.
"""
