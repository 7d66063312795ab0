"""The device as a whole, and its two other tongues: CSV text and MLPerf Tiny."""
