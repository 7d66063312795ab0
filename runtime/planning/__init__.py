"""Plans: operating points solved ahead of time, looked up at run time."""
