"""One module per stage, each of one shape: a thin ``run`` around a pure core."""
