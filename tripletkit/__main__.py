"""``python -m tripletkit`` and ``tripletkit``. A process that reads a book may import this again, so it must import nothing."""

import gc


def main() -> None:
    """Run the command line."""
    # By default Python looks for reference cycles after every 700 new objects: a fifth of the time that imports take.
    gc.set_threshold(50_000)
    from tripletkit.cli import main as run

    try:
        run()
    finally:
        gc.freeze()  # else Python would search everything for cycles again before it exits


if __name__ == "__main__":
    main()
