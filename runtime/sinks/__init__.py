"""Where records go, several places at once, each off the path of a frame."""
