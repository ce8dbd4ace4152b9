"""The operating system's baseline on a node: what the kernel runs with, what it boots with, and what is wanted."""
