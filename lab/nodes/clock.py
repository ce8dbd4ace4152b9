"""What of a node's clock goes into its image: chrony as openEuler has it, and a clock that a fault can put wrong.

Containers share the machine's clock, which nobody here may set. So chronyd really runs and really measures, but never
sets the clock (``-x``); and it runs under libfaketime, which adds what ``/etc/faketimerc`` says (``+0``, or ``+90`` for
a clock 90 s ahead) to the time that the process sees. That the kernel stamps packets with the true time does no harm:
chronyd drops stamps that are more than a second from its own clock and takes its own instead ("RX timestamping :
Daemon" in ntpdata), so it measures the wrong clock against the true one. Offsets of a fault are above one second for
that reason.

``date`` tells the same clock, by the same library. Other programs see the machine's: under libfaketime 0.9.10 systemd
ends at once, and Python's sleep fails (clock_nanosleep: EINVAL).
"""

from __future__ import annotations

from collections.abc import Mapping

PACKAGES = ("chrony", "libfaketime")
OFFSET_FILE = "etc/faketimerc"  # where libfaketime looks by itself
DATE = "usr/lib/npuforge-twin/date"  # the real program; in its place is _DATE
_LIBRARY = "/usr/$LIB/faketime/libfaketime.so.1"
# Timers go on as they are. A changed offset counts after a second, also in what runs already.
_WITH = {"LD_PRELOAD": _LIBRARY, "DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1"}

_DATE = f"""\
#!/bin/sh
# The clock of this simulated server is the machine's, and what /{OFFSET_FILE} says.
LD_PRELOAD='{_LIBRARY}' exec /{DATE} "$@"
"""

# openEuler 24.03's unit, but for its sandbox and the library.
_UNIT = """\
[Unit]
Description=NTP client/server
Documentation=man:chronyd(8) man:chrony.conf(5)
After=ntpdate.service sntp.service ntpd.service
Conflicts=ntpd.service systemd-timesyncd.service
ConditionCapability=CAP_SYS_TIME

[Service]
Type=forking
PIDFile=/run/chrony/chronyd.pid
EnvironmentFile=-/etc/sysconfig/chronyd
ExecStart=/usr/sbin/chronyd $OPTIONS
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=full

[Install]
WantedBy=multi-user.target
"""

# As openEuler delivers it; nobody of an offline site ever gets an answer from there.
_CONF = """\
# Use public servers from the pool.ntp.org project.
# Please consider joining the pool (http://www.pool.ntp.org/join.html).
pool pool.ntp.org iburst

# Record the rate at which the system clock gains/losses time.
driftfile /var/lib/chrony/drift

# Allow the system clock to be stepped in the first three updates
# if its offset is larger than 1 second.
makestep 1.0 3

# Enable kernel synchronization of the real-time clock (RTC).
rtcsync

# Specify file containing keys for NTP authentication.
keyfile /etc/chrony.keys

# Get TAI-UTC offset and leap seconds from the system tz database.
leapsectz right/UTC

# Specify directory for log files.
logdir /var/log/chrony
"""


def files() -> Mapping[str, str]:
    """Content by path in the image."""
    environment = " ".join(f"{name}={value}" for name, value in _WITH.items())
    return {
        "etc/chrony.conf": _CONF,
        "etc/chrony.keys": "",
        "etc/sysconfig/chronyd": '# Command-line options for chronyd\nOPTIONS="-F 1 -x -f /etc/chrony.conf"\n',
        "usr/lib/systemd/system/chronyd.service": _UNIT,
        # The unit wants the right to set the clock, which no node of the twin has (lab.nodes.containers).
        "usr/lib/systemd/system/chronyd.service.d/npuforge-twin.conf": (
            f"[Unit]\nConditionCapability=\n[Service]\nEnvironment={environment}\n"
        ),
        OFFSET_FILE: "+0\n",
        f"{DATE}-by-this-clock": _DATE,
    }


# Debian's own places go.
SETUP = f"""\
chroot . systemctl disable chrony.service >/dev/null 2>&1
rm -rf usr/lib/systemd/system/chrony.service etc/chrony etc/default/chrony etc/init.d/chrony
chroot . chown root:_chrony /etc/chrony.keys
chmod 0640 etc/chrony.keys
mv usr/bin/date {DATE}
mv {DATE}-by-this-clock usr/bin/date
chmod 0755 usr/bin/date
chroot . systemctl enable chronyd.service >/dev/null 2>&1
"""
