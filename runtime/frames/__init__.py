"""Frames: where they come from, and what a bundle wants them to be."""
