"""The teacher of an encoder: scores of terms and passages that are better than the encoder's own vectors, without labels."""
