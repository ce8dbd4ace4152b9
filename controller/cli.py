"""The ``npuforge`` command line. Each command is a function of ``controller.commands``; here arguments are read.

Errors are one clear line on stderr and an exit code (docs/seams.md section 8); a traceback is shown only with -v.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from controller.commands import CommandError, Exit
from controller.commands import bundle as bundles

DESCRIPTION = """\
From bare racks to a signed acceptance report: validates the inventory of a site of Ascend NPU servers, runs the
playbooks, and shows what they proved.
"""
EXIT_CODES = """\
exit codes:
  0  done, nothing failed
  1  a verdict is 'fail'
  2  a verdict is 'unknown' (it could not be seen, so it is not proven) and none is 'fail'
  3  the inventory or the arguments are invalid; nothing was touched
  4  a play failed, a host was unreachable, or there is no such evidence
  5  internal error
  130  interrupted (Ctrl-C)

environment:
  NPUFORGE_VAULT_PASSWORD_FILE  file with the vault password       NPUFORGE_ARTIFACTS  where evidence goes (artifacts/)
  NPUFORGE_LANG                 en or zh: words of the console     NO_COLOR            no colours
"""
EXAMPLES = """\
examples:
  npuforge validate -i inventory/mysite          all mistakes of the inventory at once
  npuforge run site -i inventory/mysite --check  every stage, changing nothing
  npuforge run hardware -i inventory/mysite      one stage: servers and switch through their BMCs
  npuforge report --language en                  the newest report again, in English
  npuforge ledger --format csv > assets.csv      the asset ledger
  npuforge fabric plan --svg plan.svg            the plan of the NPU network as table and drawing
  npuforge bundle show 2026.1                    the software of a release; build, verify and serve collect it
  npuforge runs                                  what was run, and with which verdicts

Without -i the inventory is the lab's simulated site, inventory/twin (raised by bin/lab up).
"""
RUN_HELP = """\
Runs a playbook through ansible-runner. PLAYBOOK is a name or stage (site, survey, hardware, identity, report, ...) or
the path of a playbook. Shown: a line for each piece of work per stage and host, a table, the verdicts of the run. The
evidence and the report are in artifacts/<site>/<run>/. Plain ansible-playbook does the same.
"""
FABRIC_HELP = """\
Computes the plan of the NPU network from inventory, cabling table and product profile, and prints it; nothing is
touched. Every contradiction is told at once (exit code 3).
"""
# command -> where its function is; imported when it is called, so that --help does not pay for Ansible.
COMMANDS = {
    "validate": "validating:validate",
    "run": "running:run",
    "report": "evidence:report",
    "ledger": "evidence:ledger",
    "runs": "evidence:runs",
    "survey": "room:survey",
    "labels": "room:labels",
    "fabric": "fabric:fabric",
    "bundle": "bundle:bundle",
}


class Parser(argparse.ArgumentParser):
    """Wrong arguments are exit code 3, as a wrong inventory is."""

    def error(self, message: str) -> None:  # type: ignore[override]  # argparse says NoReturn; exit() raises as well
        self.print_usage(sys.stderr)
        self.exit(Exit.INVALID, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="npuforge",
        description=DESCRIPTION,
        epilog=f"{EXAMPLES}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)

    def command(name: str, summary: str, text: str | None = None) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=summary,
            description=text or f"{summary[0].upper()}{summary[1:]}.",
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.add_argument(
            "-i",
            "--inventory",
            action="append",
            metavar="PATH",
            help="inventory folder or file (default: inventory/twin)",
        )
        added.add_argument("-v", "--verbose", action="count", default=0, help="show more; -vvv shows every result")
        return added

    validate = command("validate", "check the whole inventory and report every mistake at once; nothing is touched")
    validate.add_argument("--json", action="store_true", help="print the report as JSON")
    validate.add_argument("--ask-vault-pass", action="store_true", help="ask for the vault password")

    run = command("run", "run a stage or a playbook", RUN_HELP)
    run.add_argument("playbook", metavar="PLAYBOOK", help="a name (site, hardware, report ...) or a path")
    run.add_argument("--check", action="store_true", help="change nothing, say what would be changed")
    run.add_argument("--diff", action="store_true", help="show what is changed, before and after")
    run.add_argument("--tags", metavar="TAGS", help="only tasks with these tags (comma-separated)")
    run.add_argument("--skip-tags", metavar="TAGS", help="no tasks with these tags")
    run.add_argument("--limit", metavar="HOSTS", help="only these hosts")
    run.add_argument(
        "-e", "--extra-vars", action="append", default=[], metavar="VARS", help="name=value, {json} or @file"
    )
    run.add_argument("--ask-vault-pass", action="store_true", help="ask for the vault password")

    def site(added: argparse.ArgumentParser) -> None:
        added.add_argument("--site", metavar="NAME", help="the site by name, instead of the inventory's")

    report = command("report", "render the report of a run again, as HTML, Word and PDF")
    site(report)
    report.add_argument("--run", default="latest", metavar="ID", help="run id, or latest (default)")
    report.add_argument("--language", choices=["zh", "en"], default="zh", help="language of the report (default: zh)")
    report.add_argument("--open", action="store_true", help="open report.html in the browser")

    ledger = command("ledger", "print the asset ledger")
    site(ledger)
    ledger.add_argument("--format", choices=["table", "json", "csv"], default="table", help="default: table")
    ledger.add_argument("--all", action="store_true", help="also what is no longer in place")

    runs = command("runs", "list the runs of the site and their verdicts")
    site(runs)
    runs.add_argument("--json", action="store_true", help="print the list as JSON")

    survey = command("survey", "judge the machine room: power, cooling, floor load, rack space, with remedies")
    survey.add_argument("--language", choices=["zh", "en"], help="default: the site's")
    survey.add_argument("--all", action="store_true", help="also list what is fit")
    survey.add_argument("--json", action="store_true", help="print the judgement as JSON")
    survey.add_argument("--drawings", metavar="FOLDER", help="write a picture (SVG) of each rack there")

    labels = command("labels", "check the cabling table and print the labels of both ends")
    labels.add_argument("--language", choices=["zh", "en"], help="default: the site's")
    labels.add_argument("--output", default="labels.pdf", metavar="FILE", help="A4 sheets (default: labels.pdf)")
    labels.add_argument("--csv", metavar="FILE", help="also write the labels as a table, for a label printer")

    fabric = command("fabric", "show the plan of the NPU network: ports, addresses, priority chain", FABRIC_HELP)
    fabric.add_argument("what", choices=["plan"], metavar="plan", help="plan: what the fabric stage would set up")
    fabric.add_argument("--language", choices=["zh", "en"], help="of the drawing; default: the site's")
    fabric.add_argument("--json", action="store_true", help="print the plan (or why there is none) as JSON")
    fabric.add_argument("--svg", metavar="FILE", help="also draw rails, ports and cables")

    bundles.options(command("bundle", "collect, verify and serve the software of a release, offline", bundles.HELP))
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code and never raises (but SystemExit for --help and wrong arguments)."""
    options = parser().parse_args(arguments)
    module, _, function = COMMANDS[options.command].partition(":")
    try:
        return int(getattr(importlib.import_module(f"controller.commands.{module}"), function)(options))
    except CommandError as error:
        complain(str(error))
        return int(error.code)
    except KeyboardInterrupt:
        complain("interrupted")
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        # Who read our output has gone (npuforge ledger | head): not an error, and nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.OK)
    except Exception as error:  # the last line of defence: a user never sees a bare traceback
        if options.verbose:
            traceback.print_exc()
        first = (str(error).strip().splitlines() or [""])[0]
        hint = "" if options.verbose else " (-v shows where)"
        complain(f"internal error: {type(error).__name__}: {first}{hint}")
        return int(Exit.INTERNAL)


def complain(message: str) -> None:
    """One message on stderr; further lines of it are indented as they came."""
    print(f"npuforge: {message}", file=sys.stderr)
