"""A node's clock: chrony's configuration made what is planned, and what its clock really is, measured."""
