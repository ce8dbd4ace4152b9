"""The download site: the packages and manifests over HTTP, for reading only, with ranges.

``/files/<name>``: a package. ``/manifest.yml``: the first release; ``/manifest-<release>.yml``: each of them, with the
origins of this site. ``/tampered/<name>``: the same package with one byte of its contents changed.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from aiohttp import web

from lab.vendor import releases

CHUNK = 1 << 16
FOLDER = web.AppKey("folder", Path)


def application(folder: Path) -> web.Application:
    """``folder``: what ``lab.vendor.build`` made."""
    app = web.Application()
    app[FOLDER] = folder
    app.router.add_get("/", _index)
    app.router.add_get("/manifest.yml", _manifest)
    app.router.add_get("/manifest-{release}.yml", _manifest)
    app.router.add_get("/files/{name}", _file)
    app.router.add_get("/tampered/{name}", _tampered)
    return app


async def _index(request: web.Request) -> web.Response:
    """What there is, one path a line."""
    folder = request.app[FOLDER]
    manifests = ["/manifest.yml", *(f"/{path.name}" for path in sorted(folder.glob("manifest-*.yml")))]
    files = [f"/files/{path.name}" for path in sorted((folder / "files").iterdir())]
    return web.Response(text="".join(f"{line}\n" for line in [*manifests, *files]))


async def _manifest(request: web.Request) -> web.Response:
    release = request.match_info.get("release", releases.FIRST.name)
    path = _inside(request.app[FOLDER], f"manifest-{release}.yml")
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for artifact in document["artifacts"]:
        artifact["origin"] = f"{request.scheme}://{request.host}/{artifact['origin']}"
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return web.Response(text=text, content_type="application/yaml")


async def _file(request: web.Request) -> web.FileResponse:
    return web.FileResponse(_inside(request.app[FOLDER] / "files", request.match_info["name"]), chunk_size=CHUNK)


async def _tampered(request: web.Request) -> web.Response:
    content = bytearray(_inside(request.app[FOLDER] / "files", request.match_info["name"]).read_bytes())
    content[len(content) * 3 // 4] ^= 0x01  # past the headers of an RPM: in what it installs
    return web.Response(body=bytes(content), content_type="application/octet-stream")


def _inside(folder: Path, name: str) -> Path:
    """A file of this folder itself; 404 for anything else."""
    path = folder / name
    if path.parent != folder or not path.is_file():
        raise web.HTTPNotFound
    return path
