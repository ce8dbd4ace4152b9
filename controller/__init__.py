"""What runs beside Ansible on the controller: evidence, judge, report, ledger, survey, labels and the ``npuforge`` command."""
