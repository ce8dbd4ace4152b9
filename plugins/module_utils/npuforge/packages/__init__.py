"""RPM packages of the bundle on a node: which are there, which must come, and how they get there whole."""
