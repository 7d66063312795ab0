"""One search over nets, exits, cascades, ratios, clocks and threads: what to ship for a board."""
