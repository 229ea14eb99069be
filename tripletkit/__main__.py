"""``python -m tripletkit`` and ``tripletkit``. Processes that read books load this module again: it must cost them nothing."""


def main() -> None:
    """The command line."""
    from tripletkit.cli import main as run

    run()


if __name__ == "__main__":
    main()
