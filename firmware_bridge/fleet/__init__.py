"""A fleet: many boards on many lines, asked side by side, flashed in waves."""
