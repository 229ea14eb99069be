"""A book's own terms: its index, glossary and acronyms, a user's file, and what they say of one concept."""
