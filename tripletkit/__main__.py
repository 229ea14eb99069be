"""``python -m tripletkit`` and ``tripletkit``. Processes that read books load this module again: it must cost them nothing."""

import gc


def main() -> None:
    """The command line."""
    # Python looks for cycles after every 700 new objects: a fifth of the time that a command takes to load its libraries.
    gc.set_threshold(50_000)
    from tripletkit.cli import main as run

    try:
        run()
    finally:
        # Nor at the end, where Python would look at everything three times.
        gc.freeze()


if __name__ == "__main__":
    main()
