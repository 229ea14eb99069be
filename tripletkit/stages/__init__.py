"""One module per stage, each with the same interface: a thin ``run`` around pure functions."""
