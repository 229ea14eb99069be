"""Where terms come from: a book's index, glossary and acronyms, running text, a user's file; one row a concept."""
