"""How long passages are. Apart from what makes them: who only plans the reading of a book loads no PDF library."""

from __future__ import annotations

from dataclasses import dataclass

from tripletkit.errors import ConfigError


@dataclass(frozen=True)
class PassageLimits:
    """Sizes in the encoder's tokens, special tokens included."""

    max_tokens: int
    target_tokens: int = 160
    min_tokens: int = 24

    def __post_init__(self) -> None:
        if not 3 <= self.min_tokens <= self.target_tokens <= self.max_tokens:
            raise ConfigError(
                f"passage limits {self.min_tokens} / {self.target_tokens} / {self.max_tokens} are out of order",
                "min_tokens <= target_tokens <= max_tokens must hold, and min_tokens be at least 3.",
            )
