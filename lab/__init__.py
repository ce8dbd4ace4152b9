"""The twin: a simulated site of Ascend servers and a switch, broken on purpose when asked. Never imports the toolkit."""
