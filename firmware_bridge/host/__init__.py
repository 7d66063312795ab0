"""The host: questions over a link, flashing, the power log, a remote engine."""
