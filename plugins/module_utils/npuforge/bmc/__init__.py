"""A server's BMC: reading the machine through Redfish (and IPMI for what Redfish lacks), and its power button.

The rooms: ``plan`` says what to read next and which requests change a power state, ``apply`` carries plans out through
an injectable client, ``parse`` turns the documents into facts, ``verify`` doubts them and reads back. ``client``,
``tls`` and ``ipmi`` talk to the device; ``read`` puts a whole reading together.
"""
