"""The simulated BMCs: a Redfish service per node, all of them in one process. See docs/witnesses.md for who vouches."""
