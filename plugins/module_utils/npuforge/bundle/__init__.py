"""The target's side of the offline bundle: which artifacts a node needs, and how it gets them whole."""
