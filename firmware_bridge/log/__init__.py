"""The power log: what it holds, how it travels, whose clock it is by, how people read it."""
