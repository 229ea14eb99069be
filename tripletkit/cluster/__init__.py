"""Work on many books or texts, in this process or on a Ray cluster."""
