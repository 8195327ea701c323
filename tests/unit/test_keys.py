"""A private key that cannot be used is said before a server is asked anything."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import paramiko
import pytest

from fabfile.errors import BadSettings
from fabfile.server import keys
from fabfile.server.keys import refuse_unusable_keys
from fabfile.settings import Ssh


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The keys that an agent holds: at first none."""
    held: list[Any] = []
    monkeypatch.setattr(paramiko.Agent, "get_keys", lambda _: tuple(held))
    return held


def key(path: Path, passphrase: str = "", kind: str = "ed25519") -> str:
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return str(path)


def refusal(path: str, **options: Any) -> str:
    with pytest.raises(BadSettings) as caught:
        refuse_unusable_keys(Ssh(key_file=path), {"key_filename": path, **options}, [])
    assert caught.value.exit_code == 2
    return caught.value.reason


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_that_needs_a_passphrase_is_refused_unless_somebody_gives_it(
    kind: str, tmp_path: Path, agent: list[Any]
) -> None:
    path = key(tmp_path / "key", "secret", kind)
    assert f"site.ssh.key_file is '{path}': it needs a passphrase, and no agent" in refusal(path)
    refuse_unusable_keys(Ssh(), {"key_filename": path, "passphrase": "secret"}, [])


def test_an_agent_that_holds_the_key_is_enough_and_one_that_holds_another_is_not(
    tmp_path: Path, agent: list[Any]
) -> None:
    path = key(tmp_path / "key", "secret")
    agent.append(paramiko.PKey.from_path(key(tmp_path / "other")))
    assert "no agent has it" in refusal(path)
    agent.append(paramiko.PKey.from_path(tmp_path / "key", b"secret"))  # type: ignore[arg-type]
    refuse_unusable_keys(Ssh(), {"key_filename": path}, [])


def test_what_is_no_private_key_is_refused_with_why(tmp_path: Path, agent: list[Any]) -> None:
    path = key(tmp_path / "key")
    refuse_unusable_keys(Ssh(), {"key_filename": [path]}, [])
    (tmp_path / "cut").write_bytes(Path(path).read_bytes()[:200])
    assert "it is no private key" in refusal(f"{path}.pub")
    assert "it is no private key" in refusal(str(tmp_path / "cut"))
    assert "it cannot be read (No such file or directory)" in refusal(str(tmp_path / "none"))
    assert "it cannot be read (Is a directory)" in refusal(str(tmp_path))


def test_a_key_from_the_command_line_is_named_as_it_was_given(
    tmp_path: Path, agent: list[Any]
) -> None:
    with pytest.raises(BadSettings, match=r"^the key '.*/none': it cannot be read"):
        refuse_unusable_keys(Ssh(), {"key_filename": [str(tmp_path / "none")]}, [])


def test_without_a_named_key_one_that_can_be_used_is_enough(
    tmp_path: Path, agent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "DEFAULTS", ())
    locked, missing = key(tmp_path / "locked", "secret"), str(tmp_path / "missing")
    with pytest.raises(BadSettings, match="needs a passphrase"):
        refuse_unusable_keys(Ssh(), {}, [locked, missing])
    refuse_unusable_keys(Ssh(), {}, [locked, key(tmp_path / "open")])
    refuse_unusable_keys(Ssh(), {}, [missing])
