"""The language of the books, English, in one place: pure functions and patterns. Each module says what another must bring."""
