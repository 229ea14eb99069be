"""Pages of HTML for people: one file each, which opens offline and asks nobody for anything."""
