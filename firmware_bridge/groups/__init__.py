"""The SMP command groups of a device: their commands, and the handlers behind them."""
