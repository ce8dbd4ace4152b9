"""Lossless RoCEv2 on switches: what is there (``model``), and how each command line says it (the drivers)."""
