"""``python -m dataflare_vec.cli``."""

from __future__ import annotations

import sys

from dataflare_vec.cli import main

sys.exit(main())
