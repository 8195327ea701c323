"""The base images: pulled where a registry answers, else made with debootstrap."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.engine import client, docker, image_identifier
from lab.places import STATE
from lab.shell import LabError, feed, run

PULL_SECONDS = 5.0
APT_FORMAT = "$(ORIGIN)|$(LABEL)|$(SITE)"
HOST_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def ensure_base(release: str) -> bool:
    """Make `1001stories-lab-base:RELEASE` exist; answer whether there was anything to do."""
    image = f"1001stories-lab-base:{release}"
    if image_identifier(image):
        return False
    if _pull(f"debian:{release}-slim"):
        docker("tag", f"debian:{release}-slim", image)
    else:
        _bootstrap(release, image)
    return True


def _pull(image: str) -> bool:
    try:
        run([client(), "pull", "--quiet", image], timeout=PULL_SECONDS)
    except LabError:
        # A registry that is merely slow leaves its layers behind, but debootstrap needs none.
        return image_identifier(image) is not None
    return True


def _bootstrap(release: str, image: str) -> None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    program = shutil.which("debootstrap", path=path)
    if program is None:
        raise LabError("debootstrap is not installed: run lab/install-packages.sh")
    environment = {**os.environ, "PATH": path}
    if proxy := apt_setting("Acquire::http::Proxy"):
        environment["http_proxy"] = proxy
    STATE.mkdir(exist_ok=True)
    # Not under /tmp, which may be mounted without devices.
    with tempfile.TemporaryDirectory(prefix=f"{release}-", dir=STATE) as folder:
        Path(folder).chmod(0o755)
        mirror = debian_site()
        run(
            [program, "--variant=minbase", release, folder, *([mirror] if mirror else [])],
            timeout=600,
            environment=environment,
        )
        shutil.rmtree(Path(folder, "var/cache/apt/archives"), ignore_errors=True)
        Path(folder, "var/cache/apt/archives/partial").mkdir(parents=True)
        with subprocess.Popen(
            ["tar", "-C", folder, "--numeric-owner", "-c", "."], stdout=subprocess.PIPE
        ) as archive:
            assert archive.stdout is not None
            feed([client(), "import", "-", image], archive.stdout)
        if archive.returncode != 0:
            raise LabError(f"tar of the new {release} ended with {archive.returncode}")


def debian_site() -> str | None:
    """The Debian archive in this machine's own apt configuration; None on other systems."""
    listing = run(
        ["apt-get", "indextargets", "--format", APT_FORMAT, "Created-By: Packages"], check=False
    )
    for line in listing.stdout.splitlines():
        origin, label, site = line.split("|")
        # The security archive has the label Debian-Security, and no base system.
        if origin == label == "Debian":
            return site
    return _site_before_the_first_update()


def _site_before_the_first_update() -> str | None:
    """Origin and label are known only after `apt-get update`: read the sources themselves."""
    if "debian" not in Path("/etc/os-release").read_text().split("ID=", 1)[-1][:12]:
        return None
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("debian*")]
    for source in sources:
        text = source.read_text() if source.is_file() else ""
        found = re.search(r"^(?:URIs:|deb(?: \[.*?\])?)\s+(\S+/debian)/?(?:\s|$)", text, re.M)
        if found:
            return found.group(1)
    return None


def apt_setting(name: str) -> str:
    """One value of this machine's apt configuration, or an empty string."""
    result = run(["apt-config", "shell", "VALUE", name], check=False)
    return result.stdout.strip().removeprefix("VALUE=").strip("'\"")


def write_host_apt(folder: Path) -> None:
    """Give a build what apt needs here to reach the archive: proxy, leniency, certificates."""
    names = ("http::Proxy", "https::Proxy", "Check-Valid-Until", "Check-Date")
    lines = [
        f'Acquire::{name} "{value}";\n'
        for name in names
        if (value := apt_setting(f"Acquire::{name}"))
    ]
    if HOST_BUNDLE.is_file():
        shutil.copyfile(HOST_BUNDLE, folder / "host-certificates.crt")
        lines.append('Acquire::https::CAInfo "/etc/apt/host-certificates.crt";\n')
    (folder / "host-apt.conf").write_text("".join(lines))
