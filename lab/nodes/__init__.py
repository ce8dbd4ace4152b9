"""The twin's nodes: real Linux systems in podman containers, with systemd, sshd and an openEuler 24.03 persona."""
