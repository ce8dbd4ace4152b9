"""The simulated kernel of a node: what it serves below /proc and /sys, what boots it, and the tools that talk to it.

Containers share the kernel of the machine below them, which must not be changed. So each node has a kernel of its own
that is simulated: ``boot`` is the container's first process (firmware, GRUB, mounts, then systemd), ``server`` the FUSE
file system bound over the places that a server's settings live in. The package is copied into the node's image as it
is; it needs Python's standard library there, and fusepy in ``server`` alone.
"""
