"""Lines: what one is (`byte_port`), real ones (`port`), and a server for one (`server`)."""
