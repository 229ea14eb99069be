"""Whether the installed package is complete and is not the checkout's. Run by the environment's Python, the checkout as argument."""

import sys
from pathlib import Path

import tripletkit
from tripletkit.rules import KINDS, load_rules

checkout = Path(sys.argv[1]).resolve()
package = Path(tripletkit.__file__).resolve().parent
if checkout in package.parents:
    sys.exit(f"{package} is the checkout's, so nothing was tested; install the wheel into an empty environment")
if set(load_rules().files) != set(KINDS):
    sys.exit(f"{package}/rules lacks a file of {sorted(KINDS)}")
missing = [
    path
    for path in sorted((checkout / "tripletkit").rglob("*"))
    if path.is_file()
    and "__pycache__" not in path.parts
    and not (package / path.relative_to(checkout / "tripletkit")).exists()
]
if missing:
    sys.exit("the installed package lacks " + ", ".join(str(path.relative_to(checkout)) for path in missing))
sys.stdout.write(f"installed: tripletkit {tripletkit.__version__} with {len(KINDS)} rules files\n")
