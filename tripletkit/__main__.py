"""``python -m tripletkit``."""

from tripletkit.cli import main

main()
