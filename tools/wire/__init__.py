"""Commands at both ends of a serial line: `flash`, `device`, `serve`, `bundle pack`."""
