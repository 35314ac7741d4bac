"""Shows running flows in the terminal that they were started in.

`begin.observed()` puts an `Observer` between the engine and the reporter of a root flow run. The
observer notes each report and passes it on. A thread of the display builds a `Tree` from the notes,
and a view shows it: `LiveView` redraws a tree below the printed output, `PlainView` writes lines.
Both write to standard error. docs/guides/display.md describes the output.
"""
