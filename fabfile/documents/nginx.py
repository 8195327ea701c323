"""What `nginx --json` prints, and what `nginx --diff --json` prints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from . import Document


class Nginx(Document):
    """nginx's configuration file, what of it is ours, and where it sends visitors."""

    command = "nginx"

    version: str
    container: str
    file: str = Field(description="the configuration file's path in the container")
    host_path: str = Field(description="and on the server")
    single_file: bool = Field(description="it is mounted alone; false: within a mounted folder")
    manage: Literal["upstream", "whole"] = Field(
        description="what of it is ours: the app's upstream, or all of it"
    )
    sends_to: str = Field(description="the container that visitors are sent to")
    colour: str = Field(description="that container's")
    release: str = Field(description="that container's")
    problem: str | None = Field(description="why it cannot be switched; null where it can")


class NginxDiff(Document):
    """What a switch to the release that is live would change in the configuration."""

    command = "nginx --diff"

    host_path: str = Field(description="the file that would be written, on the server")
    diff: list[str] = Field(description="lines of a unified diff; empty: nothing would change")
