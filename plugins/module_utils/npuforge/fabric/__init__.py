"""The fabric: one plan for switch, NPU ports and environment, and the tests that prove it."""
