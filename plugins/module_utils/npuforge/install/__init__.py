"""Installing an operating system unattended: what a host shall become, its disks, its kickstart, and the proof."""
