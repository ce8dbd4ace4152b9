"""The logic of npuforge: pure Python, standard library only, Python 3.7 syntax, no Ansible import."""
