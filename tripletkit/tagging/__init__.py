"""Terms in passages: a trie over normalised words."""
