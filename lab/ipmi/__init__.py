"""IPMI over LAN for the twin's servers: one OpenIPMI ``ipmi_sim`` per node, fed from the world.

``python -m lab.ipmi --state DIR`` runs them all in the foreground. What each shows follows ``lab.physics.view``, as the
Redfish service's does; power and boot device go through that service's control socket, so that both are one button.
"""
