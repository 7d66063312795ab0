"""A foreign power trace apportioned to inferences: its windows, the clocks, the figures."""
