"""The process that has board and engine, what the agent and it say, and who supervises it."""
