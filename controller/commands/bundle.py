"""``npuforge bundle``: keys, build, show, verify and serve the offline bundle of a release (docs/bundle.md)."""

from __future__ import annotations

import argparse
import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from . import ROOT, CommandError, Exit

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from controller.bundle.verify import Verified
    from controller.contract import Document

HELP = """\
Collects every artifact of a release on a machine with internet (build), proves that a folder holds exactly that
(verify), and serves it in the closed network (serve). RELEASE is one of contract/bundles; --manifest takes a file.
"""
BYTES_PER_SECOND = 50e6  # a slow disk's; how long verifying may take before a server in the background is given up


def options(added: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    what = added.add_subparsers(dest="what", metavar="ACTION", required=True, parser_class=type(added))

    def action(name: str, summary: str, key: str | None = None, folder: bool = True) -> argparse.ArgumentParser:
        parser = what.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        # The same option stands before ACTION already: without a default here that one is not overwritten.
        parser.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if folder:
            parser.add_argument("--folder", required=True, metavar="DIR", help="the bundle's folder")
        if key:
            parser.add_argument("--key", metavar="FILE", help=key)
        return parser

    def release(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("release", nargs="?", metavar="RELEASE", help="a release of contract/bundles")
        parser.add_argument("--manifest", metavar="FILE", help="a manifest of your own instead of a release")

    def jobs(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--jobs", type=_jobs, default=4, metavar="N", help="files at a time (default: 4)")

    keys = what.add_parser(
        "keys", help="make a pair of keys", description="Make a pair of keys: bundle.key, bundle.pub."
    )
    keys.add_argument("--folder", required=True, metavar="DIR", help="where the two files go; none is overwritten")

    build = action("build", "collect a release into a folder; run it again to go on", "private key that signs it")
    release(build)
    build.add_argument("--from", dest="source", metavar="URL", help="a server or a local folder with the files")
    build.add_argument("--record", action="store_true", help="take hashes that the release leaves open from the files")
    jobs(build)

    show = action("show", "print what a release holds and whether its versions go together", folder=False)
    release(show)
    show.add_argument("--kubernetes", metavar="VERSION", help="also judge the versions against this Kubernetes")
    show.add_argument("--json", action="store_true", help="print the manifest and the judgement as JSON")

    verify = action("verify", "hash every file and check the signature", "public key that must have signed it")
    release(verify)
    jobs(verify)
    verify.add_argument("--json", action="store_true", help="print what is wrong as JSON")

    serve = action("serve", "verify, then serve over HTTP, read-only", "public key that must have signed it")
    release(serve)
    jobs(serve)
    serve.add_argument("--address", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=_port, default=8077, help="port (default: 8077; 0: any free one)")
    mode = serve.add_mutually_exclusive_group()
    mode.add_argument("--background", action="store_true", help="serve apart from this terminal; --stop ends it")
    mode.add_argument("--stop", action="store_true", help="end the server that serves this folder in the background")
    serve.add_argument("--in-background", action="store_true", help=argparse.SUPPRESS)


def _jobs(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError("a number from 1 to 64")
    return int(text)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port from 0 to 65535")
    return int(text)


def bundle(options: Namespace) -> Exit:
    """Do what ``options.what`` says. :raises CommandError: with the exit code and one sentence"""
    from controller.bundle import background, keys, manifest, repository  # noqa: PLC0415 - only here

    actions = {"keys": _keys, "build": _build, "show": _show, "verify": _verify, "serve": _serve}
    try:
        return actions[options.what](options)
    except (keys.KeyProblem, manifest.ManifestError) as error:
        raise CommandError(Exit.INVALID, str(error)) from error
    except (repository.RepositoryError, background.BackgroundError) as error:
        raise CommandError(Exit.BROKEN, str(error)) from error
    except OSError as error:
        raise CommandError(Exit.BROKEN, f"{error.filename or 'the bundle'}: {error.strerror or error}") from error


def _release(options: Namespace) -> Document | None:
    """The release or manifest that the command line names; null where it names none."""
    from controller.bundle import manifest  # noqa: PLC0415 - only here

    if options.manifest and options.release:
        raise CommandError(Exit.INVALID, "give a RELEASE or --manifest FILE, not both")
    if options.manifest:
        return manifest.load_file(Path(options.manifest))
    return manifest.load_release(options.release) if options.release else None


def _named(options: Namespace) -> Document:
    from controller.bundle import manifest  # noqa: PLC0415 - only here

    document = _release(options)
    if document is None:
        known = ", ".join(manifest.releases()) or "none"
        raise CommandError(Exit.INVALID, f"name a release ({known}) or a manifest (--manifest FILE)")
    return document


def _keys(options: Namespace) -> Exit:
    from controller.bundle import keys  # noqa: PLC0415 - only here

    private, public, fingerprint = keys.make(Path(options.folder))
    print(f"{private}  private: signs bundles; keep it on the connected side")
    print(f"{public}  public: checks them; take it to the closed side apart from the bundle")
    print(f"fingerprint {fingerprint}")
    return Exit.OK


def _show(options: Namespace) -> Exit:
    from controller.bundle import rules, show  # noqa: PLC0415 - only here

    document = _named(options)
    problems = rules.problems(document, options.kubernetes)
    notes = rules.notes(document, options.kubernetes)
    if options.json:
        print(json.dumps({"manifest": document, "problems": problems, "notes": notes}, indent=1, ensure_ascii=False))
    else:
        print(show.table(document, problems, notes), end="")
    return Exit.FAIL if problems else Exit.OK


def _build(options: Namespace) -> Exit:
    from controller.bundle import build, keys, rules  # noqa: PLC0415 - only here
    from controller.bundle.progress import Progress  # noqa: PLC0415 - only here

    document = _named(options)
    problems = rules.problems(document)
    if problems:
        lines = [f"{problem['problem']} [{problem['source']}]" for problem in problems]
        raise CommandError(Exit.INVALID, "the release's versions do not go together:\n  " + "\n  ".join(lines))
    key = keys.load_private(Path(options.key)) if options.key else None
    built = build.build(
        document,
        Path(options.folder),
        Progress(),
        source=options.source,
        record=options.record,
        jobs=options.jobs,
        key=key,
    )
    if built.failed:
        for error in built.failed:
            print(f"npuforge: {error}", file=sys.stderr)
        unreachable = any(error.unreachable for error in built.failed)
        print(f"{len(built.failed)} of {len(document['artifacts'])} files are missing or wrong; run it again to go on")
        return Exit.BROKEN if unreachable else Exit.FAIL
    count, size = len(built.document["artifacts"]), sum(a["size_bytes"] for a in built.document["artifacts"])
    what = f"{len(built.fetched)} fetched" if built.changed else "nothing to do"
    print(f"{options.folder}: release {document['release']}, {count} files, {size / 1e6:.1f} MB, {what}")
    for name in built.extra:
        print(f"{name} is no part of the release; verify will refuse the folder until it is removed")
    print("signed" if built.signed else "NOT signed: nothing unsigned is served; build again with --key bundle.key")
    return Exit.OK


def _public(options: Namespace) -> Ed25519PublicKey:
    from controller.bundle import keys  # noqa: PLC0415 - only here

    if not options.key:
        raise CommandError(Exit.INVALID, "name the public key that must have signed the bundle: --key bundle.pub")
    return keys.load_public(Path(options.key))


def _judged(options: Namespace) -> Verified:
    from controller.bundle import verify  # noqa: PLC0415 - only here

    public, release, folder = _public(options), _release(options), Path(options.folder)
    try:
        return verify.verify(folder, public, release, options.jobs)
    except FileNotFoundError as error:
        raise CommandError(Exit.BROKEN, f"there is no bundle in {folder} (no manifest.json)") from error


def _verify(options: Namespace) -> Exit:
    verified = _judged(options)
    if options.json:
        wrong = [vars(item) for item in verified.wrong]
        print(json.dumps({"release": verified.document["release"], "ok": verified.ok, "wrong": wrong}, indent=1))
        return Exit.OK if verified.ok else Exit.FAIL
    for item in verified.wrong:
        print(f"{item.file}: {item.why}: {item.text}")
    total = len(verified.stamps)
    size = sum(mark[2] for mark in verified.stamps.values())
    release, wrong_count = verified.document["release"], len(verified.wrong)
    print(f"release {release}: {total} files right ({size / 1e6:.1f} MB), {wrong_count} wrong")
    return Exit.OK if verified.ok else Exit.FAIL


def _serve(options: Namespace) -> Exit:
    from controller.bundle import background, server  # noqa: PLC0415 - only here

    folder = Path(options.folder).absolute()
    if options.stop:
        print("stopped" if background.stop(folder) else f"no server serves {folder}")
        return Exit.OK
    record = background.running(folder)
    if record is not None:
        raise CommandError(
            Exit.BROKEN,
            f"{folder} is served already: {record['url']} (pid {record['pid']})",
        )
    if options.background:
        return _serve_apart(options, folder)
    verified = _judged(options)
    if not verified.ok:
        lines = "\n  ".join(f"{item.file}: {item.why}: {item.text}" for item in verified.wrong)
        raise CommandError(Exit.FAIL, f"not served, {len(verified.wrong)} wrong:\n  {lines}")
    with server.Server((options.address, options.port), server.Shelf(folder, verified)) as service:
        if options.in_background:
            background.remember(folder, service.url)
        service.write_log(f"serving release {verified.document['release']} at {service.url}")
        background.end_on_signal(service.shutdown)
        try:
            service.serve_forever(poll_interval=0.2)
        finally:
            background.forget(folder)
    return Exit.OK


def _serve_apart(options: Namespace, folder: Path) -> Exit:
    """Verify in this terminal, where mistakes are seen; then start the server, which looks for itself once more."""
    from controller.bundle import background  # noqa: PLC0415 - only here

    verified = _judged(options)
    if not verified.ok:
        lines = "\n  ".join(f"{item.file}: {item.why}: {item.text}" for item in verified.wrong)
        raise CommandError(Exit.FAIL, f"not served, {len(verified.wrong)} wrong:\n  {lines}")
    argv = [sys.executable, "-m", "controller", "bundle", "serve", "--folder", str(folder), "--in-background"]
    argv += ["--key", str(Path(options.key).absolute()), "--jobs", str(options.jobs)]
    argv += ["--address", options.address, "--port", str(options.port)]
    argv += [options.release] if options.release else []
    argv += ["--manifest", str(Path(options.manifest).absolute())] if options.manifest else []
    size = sum(mark[2] for mark in verified.stamps.values())
    record = background.start(folder, argv, ROOT, size / BYTES_PER_SECOND)
    print(f"serving at {record['url']} (pid {record['pid']}, log {record['log']})")
    return Exit.OK
