"""Node identity: the node's own record of who it is, and what its firmware says of itself."""
