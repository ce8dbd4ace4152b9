"""CANN packages of a make-believe node: shell scripts that lay out both layouts, lie, die and fail as told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from npu_software_helpers import World
from npuforge.ascend.software import cann_run
from npuforge.ascend.software.cann_facts import Result, result
from npuforge.bundle.manifest import BundleError

# Innerversion and compatible drivers of each; 8.2.RC1 and 8.5.0 as in public files, the others made up between.
TOOLKITS = {
    "8.1.RC1": ("V100R001C21SPC001B1", "[V100R001C15],[V100R001C18],[V100R001C19],[V100R001C20]"),
    "8.2.RC1": ("V100R001C22SPC001B231", "[V100R001C18],[V100R001C19],[V100R001C20],[V100R001C21]"),
    "8.5.0": ("V100R001C25SPC001B212", "[V100R001C19],[V100R001C20],[V100R001C21],[V100R001C23]"),
    "9.9.0": ("V100R001C40SPC001B1", "[V100R001C38],[V100R001C39]"),
}
SCRIPT = r"""#!/bin/sh
# A small package: @PACKAGE@ @VERSION@, laid out as releases before and since 8.5 are.
R='@ROOT@'; B="$R/usr/local/Ascend"; P=@PACKAGE@; V=@VERSION@; NEW=@NEW@
h=; [ ! -f "$R/world/how_cann" ] || read -r h < "$R/world/how_cann" || :
how() { case " $h " in *" $1 "*) return 0;; esac; return 1; }
n=0
step() { n=$((n + 1)); if how "dies$n$P$V"; then kill -9 $$; fi; }
echo "$P $V $* home=$ASCEND_TOOLKIT_HOME" >> "$R/world/calls_cann"
case " $* " in *" --quiet "*) ;; *) echo "Do you accept the EULA?"; exit 1;; esac
if how "fails$P"; then echo "[ERROR]: $(cat "$R/world/text_cann")"; exit 1; fi
if how "lies$P"; then echo "Ascend-cann-$P install success"; exit 0; fi
if [ "$P" = nnal ]; then
  H="$B/nnal/atb/$V"; mkdir -p "$H/atb"; step
  printf '    Ascend-cann-atb : %s\n    Ascend-cann-atb Version : %s.B030\n' "$V" "$V" > "$H/version.info"
  rm -f "$B/nnal/atb/latest"; ln -s "$V" "$B/nnal/atb/latest"
elif [ "$NEW" = 1 ]; then
  H="$B/cann-$V"; mkdir -p "$H/aarch64-linux" "$H/opp"; step
  if [ "$P" = toolkit ]; then cp "$R/world/files/toolkit-$V" "$H/aarch64-linux/ascend_toolkit_install.info"
  else printf 'package_name=Ascend-cann-910b-ops\nversion=%s\n' "$V" > "$H/aarch64-linux/ascend_ops_install.info"; fi
  rm -f "$B/cann"; ln -s "cann-$V" "$B/cann"
else
  H="$B/ascend-toolkit/$V"; mkdir -p "$H/aarch64-linux" "$H/opp" "$B/ascend-toolkit/latest"; step
  if [ "$P" = toolkit ]; then cp "$R/world/files/toolkit-$V" "$H/aarch64-linux/ascend_toolkit_install.info"
  else mkdir -p "$H/opp_kernel"; printf 'Version=1.0.0\nversion_dir=%s\n' "$V" > "$H/opp_kernel/version.info"; fi
  for e in "$H"/*; do
    rm -f "$B/ascend-toolkit/latest/${e##*/}"; ln -s "../$V/${e##*/}" "$B/ascend-toolkit/latest/${e##*/}"
  done
fi
step
echo "Ascend-cann-$P install success, installed in $B."
"""


class CannWorld(World):
    """A node with a driver. ``how("cann", words)``: lies<package>, fails<package>, dies<n><package><version>."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.have("25.0.rc1.1", "7.7.0.1.231")
        for version, (inner, inners) in TOOLKITS.items():
            (root / "world/files" / f"toolkit-{version}").write_text(
                f"package_name=Ascend-cann-toolkit\nversion={version}\ninnerversion={inner}\n"
                f"compatible_version={inners}\narch=aarch64\nos=linux\n"
            )

    def cann_package(self, package: str, version: str) -> str:
        new = "1" if version in ("8.5.0", "9.9.0") else "0"
        made = SCRIPT.replace("@ROOT@", str(self.root)).replace("@PACKAGE@", package)
        return made.replace("@VERSION@", version).replace("@NEW@", new)

    def bundle(self, *versions: str) -> dict[str, Any]:
        rows = []
        for version in versions:
            for package in ("toolkit", "kernels", "nnal"):
                text = self.cann_package(package, version).encode()
                rows.append(
                    {
                        "id": f"cann_{package}",
                        "file": f"Ascend-cann-{package}_{version}_linux-aarch64.run",
                        "version": version,
                        "arch": ["aarch64"],
                        "kind": "run",
                        "size_bytes": len(text),
                        "sha256": hashlib.sha256(text).hexdigest(),
                    }
                )
        return {"url": "http://192.0.2.1", "artifacts": rows}

    def fetch(self, url: str, artifact: Any, folder: Any, say: Callable[[str], None], opener: Any = None) -> Path:
        if not artifact["id"].startswith("cann_"):
            return super().fetch(url, artifact, folder, say, opener)
        if artifact["file"] in self.broken_files:
            raise BundleError(artifact["file"], "the SHA-256 is wrong", artifact["sha256"][:8], "00000000")
        self.host.change()
        self.fetched.append(artifact["file"])
        path = Path(folder) / artifact["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.cann_package(artifact["id"][5:], artifact["version"]))
        return path

    def cann(self, *versions: str, check: bool = False, active: str | None = None, **more: Any) -> Result:
        """Run with a bundle of these versions; ``wanted`` and other parts of the request by name."""
        given = {"wanted": {}, "bundle": self.bundle(*versions), "timeout_seconds": 20.0, **more}
        request = cann_run.Request("node1", active=active, check=check, **given)
        return result(request, cann_run.run(request, cann_run.Bench(self.host, self.fetch, lambda _: None)), True)


def cann_facts(made: Result) -> dict[str, Any]:
    return dict(made.observations[0]["observation"]["facts"]["cann"])
