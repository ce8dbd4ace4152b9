"""A server's BMC: reading the machine through Redfish (and IPMI for what Redfish lacks), and its power button.

The rooms: ``plan`` says what to read next and ``power`` which requests change a power state; ``apply`` carries both
out through an injectable client and reads back; ``parse`` turns the documents into facts; ``verify`` doubts them.
``client``, ``tls`` and ``ipmi`` talk to the device; ``read`` puts a whole reading together.
"""
