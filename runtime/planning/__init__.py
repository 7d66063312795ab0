"""Plans: operating points that are solved for ahead of time and looked up at run time."""
