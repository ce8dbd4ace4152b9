"""What the fault engine (``lab.faults``) is made of: its catalogue, paths into documents, sessions and files."""
