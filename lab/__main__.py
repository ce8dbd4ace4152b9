"""``python -m lab``: the twin. ``python -m lab --help`` explains it."""

import sys

from lab.cli import main

sys.exit(main())
