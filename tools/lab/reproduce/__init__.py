"""The figures of the three papers, computed anew."""
