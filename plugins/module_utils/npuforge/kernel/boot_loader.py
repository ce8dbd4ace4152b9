"""The kernel's command line at the next boot: where it is kept, what it says, and the steps that change it.

GRUB with a generated grub.cfg: /etc/default/grub, a fallback entry, then grub2-mkconfig, grub-mkconfig or update-grub.
GRUB with BLS entries (GRUB_ENABLE_BLSCFG=true and entries): grubby. The verdict is what the generated configuration
will boot, not what the source says.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

from . import cmdline, fallback, grub_config, grub_default
from .cmdline import Word
from .context import Context
from .grub_config import Entry, Menu
from .host import Host
from .model import Part, Setting, Step, file_steps, setting

BLS_FOLDER = "/boot/loader/entries"
_ESP = "/boot/efi/EFI"
_LEGACY_CONFIGS = ("/boot/grub2/grub.cfg", "/boot/grub/grub.cfg")
_MAKERS = ("grub2-mkconfig", "grub-mkconfig", "update-grub")
MARKER = "/run/npuforge/pending/grub-mkconfig"


class Loader(NamedTuple):
    """``config``: the grub.cfg that boots this machine. ``default``: the entry that boots next without our doing.

    ``problem``: why the command line of the next boot cannot be seen.
    """

    config: str
    bls: bool
    menu: Menu
    default: Entry | None
    script: str
    problem: str | None


def find_config(host: Host) -> str | None:
    """The grub.cfg that is read at boot.

    On EFI some systems read the one on the EFI partition (openEuler, Kylin), others have a stub there that goes on to
    the one in /boot (Debian, newer Fedora).
    """
    found = []
    if host.is_folder("/sys/firmware/efi"):
        link = host.link("/etc/grub2-efi.cfg")
        folders = [name for name in host.names(_ESP) if name.upper() != "BOOT"]
        found = [*(["/etc/grub2-efi.cfg"] if link else []), *(f"{_ESP}/{name}/grub.cfg" for name in folders)]
    for path in [*found, *(["/etc/grub2.cfg"] if host.link("/etc/grub2.cfg") else []), *_LEGACY_CONFIGS]:
        text = host.read(path)
        if text is not None and not _stub(text):
            return host.resolve(path)
    return None


def _stub(text: str) -> bool:
    return "menuentry" not in text and "blscfg" not in text and "configfile" in text


def read(host: Host) -> Loader:
    empty = Menu([], "", False)
    script = host.read(grub_default.PATH)
    config = find_config(host)
    if script is None or config is None:
        missing = grub_default.PATH if script is None else "grub.cfg"
        return Loader("", False, empty, None, "", f"no boot loader that is known: there is no {missing}")
    env = grub_config.environment(host.read(f"{config.rsplit('/', 1)[0]}/grubenv"))
    for path in ("/boot/grub2/grubenv", "/boot/grub/grubenv"):
        env = env or grub_config.environment(host.read(path))
    menu = grub_config.parse(host.read(config) or "")
    entries = grub_config.bls_entries(host, BLS_FOLDER, env.get("kernelopts", ""))
    wants_bls = (grub_default.value(script, "GRUB_ENABLE_BLSCFG") or "").strip().lower() == "true"
    bls = wants_bls and bool(entries)
    if bls:
        menu = Menu(entries, "", True)
    default = grub_config.chosen(menu, env.get("saved_entry", ""))
    problem = None if default is not None else f"{config} has no entry that boots Linux"
    return Loader(config, bls, menu, default, script, problem)


def part(context: Context, loader: Loader, words: Sequence[Word]) -> Part:
    """Settings and steps of the boot loader, for all wanted words at once."""
    if not words:
        return Part()
    if loader.problem is not None or loader.default is None:
        problem = str(loader.problem)
        unseen = setting("boot_loader.words", "boot_loader", "written", None, None, sides=("boot",), unseen=problem)
        return Part((unseen,), (), ({"where": "os.boot_loader", "problem": problem},))
    unsafe = [word.text for word in words if word.value is not False and not cmdline.SAFE.match(word.text)]
    if unsafe:
        return Part(problems=(f"kernel_arguments: {', '.join(unsafe)} cannot stand on a command line",))
    made = [_word_setting(word, loader) for word in words]
    made.append(_fallback_setting(loader))
    steps, why = _bls_steps(context, loader, words) if loader.bls else _grub_steps(context, loader, words)
    return Part(tuple(made), tuple(steps), (), (f"boot loader: {why}",) if why else ())


def _word_setting(word: Word, loader: Loader) -> Setting:
    default = loader.default
    tokens = (default.words if default is not None else None) or []
    is_ = cmdline.value_in(tokens, word.name)
    why = {}
    if default is not None and is_ != word.shown:
        if default.ident == fallback.IDENT:
            why["boot"] = f"the default entry is {fallback.IDENT}"
        elif cmdline.holds(tokens, word):
            said = [
                each
                for each in grub_default.mentions(loader.script, [word.name])
                if not each.startswith("GRUB_CMDLINE_LINUX:")
            ]
            why["boot"] = f"a later word of others wins: {', '.join(said) or 'not from ' + grub_default.PATH}"
    return setting(f"boot_loader.{word.name}", "boot_loader", word.shown, None, is_, sides=("boot",), why=why)


def _fallback_entry(loader: Loader) -> Entry | None:
    return next((each for each in loader.menu.entries if _is_fallback(each)), None)


def _is_fallback(entry: Entry) -> bool:
    return entry.words is not None and (entry.ident == fallback.IDENT or entry.ident.endswith(f"-{fallback.IDENT}"))


def _fallback_setting(loader: Loader) -> Setting:
    is_ = "there" if _fallback_entry(loader) is not None else "not there"
    return setting("boot_loader.fallback_entry", "boot_loader", "there", None, is_, sides=("boot",))


def _usual(loader: Loader) -> list[Entry]:
    """Entries that shall have our words: those that boot Linux, but neither the fallback nor rescue entries."""
    return [
        each for each in loader.menu.entries if each.words is not None and not _is_fallback(each) and not each.rescue
    ]


# ---- a generated grub.cfg


def _grub_steps(context: Context, loader: Loader, words: Sequence[Word]) -> tuple[list[Step], str | None]:
    host = context.host
    edited, problem = grub_default.edit(loader.script, words)
    if problem is not None:
        return [], problem
    here = host.read(fallback.SCRIPT)
    tokens = [
        token
        for each in grub_default.assignments(loader.script)
        if each.name == grub_default.LINE
        for token in cmdline.split(each.inner)
    ]
    wanted = fallback.script(words, fallback.before(here, tokens, words))
    steps = file_steps(
        "boot_loader", f"write the boot entry {fallback.IDENT}", fallback.SCRIPT, here, wanted, mode=0o755
    )
    if not steps and not (host.mode(fallback.SCRIPT) or 0) & 0o100:
        steps = [
            Step("boot_loader", f"make {fallback.SCRIPT} a program again", "remove", fallback.SCRIPT),
            Step("boot_loader", f"write the boot entry {fallback.IDENT}", "write", fallback.SCRIPT, wanted, mode=0o755),
        ]
    line = cmdline.edit("", words)
    steps += file_steps(
        "boot_loader", f"put {line} into {grub_default.PATH}", grub_default.PATH, loader.script, edited, backup=True
    )
    steps = [step._replace(marker=MARKER) for step in steps]
    if steps or host.exists(MARKER) or _stale(loader, words):
        maker = next((name for name in _MAKERS if host.program(name) is not None), None)
        if maker is None:
            return [], "there is neither grub2-mkconfig nor grub-mkconfig nor update-grub"
        argv = (maker,) if maker == "update-grub" else (maker, "-o", loader.config)
        steps.append(
            Step(
                "boot_loader",
                f"make {loader.config} anew by {maker}",
                "run",
                argv=argv,
                touches=(loader.config,),
                marker=MARKER,
            )
        )
    return steps, None


def _stale(loader: Loader, words: Sequence[Word]) -> bool:
    """Whether grub.cfg is not what grub-mkconfig would make of the sources as they will be."""
    if _fallback_entry(loader) is None:
        return True
    named = {
        cmdline.name_of(each.rsplit(": ", 1)[1])
        for each in grub_default.mentions(loader.script, [w.name for w in words])
    }
    for entry in _usual(loader)[:1]:
        for word in words:
            if word.value is False and cmdline.name_of(word.name) in named:
                continue  # somebody else's line has it: making the configuration again changes nothing
            if not cmdline.holds(entry.words or [], word):
                return True
    return False


# ---- BLS entries


def _bls_steps(context: Context, loader: Loader, words: Sequence[Word]) -> tuple[list[Step], str | None]:
    host = context.host
    edited, problem = grub_default.edit(loader.script, words)
    if problem is not None:
        return [], problem
    usual = _usual(loader)
    if not usual:
        return [], f"{BLS_FOLDER} has no entry but for rescue"
    path = fallback.bls_path(host, BLS_FOLDER)
    here = host.read(path)
    tokens = usual[0].words or []
    kept = fallback.before(here, tokens, words)
    own = set(cmdline.own_words(tokens, words))
    wanted = fallback.bls_entry(host.read(usual[0].file) or "", [token for token in tokens if token not in own], kept)
    wrong = [each for each in usual if cmdline.differing(each.words or [], words)]
    make = file_steps("boot_loader", f"write the boot entry {fallback.IDENT}", path, here, wanted)
    change = file_steps(
        "boot_loader",
        f"put {cmdline.edit('', words)} into {grub_default.PATH}",
        grub_default.PATH,
        loader.script,
        edited,
        backup=True,
    )
    if not wrong:
        return [*make, *change], None
    if host.program("grubby") is None:
        return [], "this system boots by BLS entries and has no grubby"
    files = (*(each.file for each in loader.menu.entries), *_environments(host))
    argv = ["grubby", "--update-kernel=ALL"]
    gone = sorted({word.name for word in words})
    argv.append(f"--remove-args={' '.join(gone)}")
    added = " ".join(word.text for word in words if word.value is not False)
    if added:
        argv.append(f"--args={added}")
    run = Step(
        "boot_loader", f"put {added or 'no word of ours'} into all boot entries", "run", argv=tuple(argv), touches=files
    )
    # grubby changes every entry of the kernel, also the fallback: it is written before, for a run that is killed
    # in between, and again afterwards.
    again = Step("boot_loader", f"keep the boot entry {fallback.IDENT} as it was", "write", path, wanted)
    return [*make, *change, run, again], None


def _environments(host: Host) -> list[str]:
    return [path for path in ("/boot/grub2/grubenv", "/boot/grub/grubenv") if host.exists(path)]
