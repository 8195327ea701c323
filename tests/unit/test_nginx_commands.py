"""The rendered nginx configuration, read as text; that nginx takes it is a lab test."""

from __future__ import annotations

import re

import pytest

from fabfile.commands.nginx import carried_over, configuration, parse_marker, parse_version
from fabfile.errors import BadSettings
from fabfile.settings import load


def rendered(version: tuple[int, ...] = (1, 30, 6), *assignments: str) -> str:
    return configuration(
        load({"nginx": {"manage": "whole"}}, assignments=assignments),
        colour="green",
        release="20240828-143000",
        container="1001-stories-app-green",
        version=version,
        former="user www-data;\npid /run/nginx.pid;\nevents {}\n",
    )


def test_the_upstream_names_the_live_colour_and_no_other() -> None:
    servers = re.findall(r"^\s*server (\S+);", rendered(), re.M)
    assert servers == ["1001-stories-app-green:3000"]


def test_the_other_colour_is_only_looked_up_at_request_time() -> None:
    text = rendered()
    assert "1001-stories-app-blue" not in text
    assert "resolver 127.0.0.11" in text


def test_colour_and_release_are_read_back_from_it() -> None:
    assert parse_marker(rendered()) == ("green", "20240828-143000")
    assert parse_marker("# a plain file\nworker_processes 1;") == ("", "")


def test_what_belongs_to_the_image_is_carried_over_from_one_configuration_to_the_next() -> None:
    assert carried_over(rendered()) == ["user www-data;", "pid /run/nginx.pid;"]
    assert carried_over("events {}\nhttp {\n    user_thing on;\n}\n") == []


def test_every_answer_says_colour_and_release() -> None:
    text = rendered()
    assert 'add_header X-Deploy-Colour "green" always;' in text
    assert 'add_header X-Deploy-Release "20240828-143000" always;' in text


def test_no_location_has_a_header_of_its_own_that_would_drop_the_security_headers() -> None:
    locations = re.findall(r"^ *location [^{]*\{[^}]*\}", rendered(), re.M)
    assert len(locations) >= 5
    assert not [block for block in locations if "add_header" in block]


@pytest.mark.parametrize(
    ("version", "keeps", "directive"),
    [((1, 22, 1), False, False), ((1, 26, 3), False, True), ((1, 27, 4), True, True)],
)
def test_it_uses_only_what_this_nginx_knows(
    version: tuple[int, ...], keeps: bool, directive: bool
) -> None:
    text = rendered(version)
    assert ("keepalive_min_timeout 2s;" in text) is keeps
    assert ("http2 on;" in text) is directive
    assert ("listen 443 ssl http2" in text) is not directive


def test_limits_hold_and_each_path_has_one_location() -> None:
    text = rendered()
    assert "rate=50r/s" in text
    assert "limit_req_status 429;" in text
    assert text.count("location / {") == 2  # the redirect on port 80, and the site


def test_without_a_limit_for_the_root_the_site_is_still_there() -> None:
    assert rendered((1, 30, 6), "nginx.rate_limits=[]").count("proxy_pass http://live;") == 1


def test_a_template_that_is_not_there_is_a_setting_that_is_wrong() -> None:
    with pytest.raises(BadSettings, match=r"site.nginx.template is .*No such file"):
        rendered((1, 30, 6), "nginx.template=./nowhere.j2")


def test_the_version_is_read_from_what_nginx_prints() -> None:
    assert parse_version("nginx version: nginx/1.30.6") == (1, 30, 6)
    assert parse_version("what") == (0,)
