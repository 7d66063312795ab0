"""Power traces of other instruments: one file a format, all of them read into one `Trace`.

Needs NumPy, so nothing of it is imported before a trace is opened.
"""
