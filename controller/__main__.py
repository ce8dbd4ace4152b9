"""``python -m controller`` is the ``npuforge`` command."""

import sys

from controller.cli import main

sys.exit(main())
