"""Pictures of what was made, by matplotlib, for the report in HTML and for the cards."""
