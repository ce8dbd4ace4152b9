"""The twin: a simulated site of Ascend servers and a switch, broken when asked. Never imports the toolkit."""
