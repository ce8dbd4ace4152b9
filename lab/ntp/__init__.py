"""The hospital's time server of the twin: NTP, with this machine's clock."""
