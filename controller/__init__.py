"""Runs beside Ansible on the controller: evidence, judge, report, ledger, survey, labels, the ``npuforge`` command."""
