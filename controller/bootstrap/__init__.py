"""Brings a Python that Ansible's modules run on to a node whose own is too old, by nothing but its shell."""
