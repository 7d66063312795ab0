"""A run as one page of HTML: figures out of a log or a run at hand, drawn as SVG.

Counted row by row in bounded memory, so that a log of any length makes a page of the same size.
"""
