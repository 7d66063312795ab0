"""The process that has board and engine, what the agent and it say, who supervises it, its log."""
