"""PDF pages → words → lines → structure → passages, in small named steps."""
