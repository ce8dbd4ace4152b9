"""``python -m lab.vm``: the virtual machine. ``python -m lab.vm --help`` explains it."""

import sys

from lab.vm.cli import main

sys.exit(main())
