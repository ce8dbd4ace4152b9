"""Switches: their command line read as facts. Huawei CloudEngine (VRP8, YunShan) first."""
