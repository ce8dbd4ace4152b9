"""Driver, firmware and CANN of a node: read, plan, install, verify by what can be seen afterwards, repair."""
