"""Installing an operating system through a BMC: the image with one host's kickstart, its server, and following it."""
