"""A site's own nginx configuration with its upstream in our hands: the rest stays byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabfile.commands.nginx import configuration, parse_marker
from fabfile.commands.nginx_text import directives
from fabfile.commands.nginx_upstream import BEGIN, END, NoUpstream, hosts_in, join, split
from fabfile.errors import DeployError
from fabfile.settings import load

OWN = """# upstream app { server app:3000; } in a comment is none
user nginx;
http {
  limit_req_zone $binary_remote_addr zone=a:1m rate=2r/s; # ours; not yours {
    upstream  app  {
        # a comment of its own
        server app:3000 max_fails=3 fail_timeout=10s;
        keepalive 32;
        least_conn;
    }
  server { location ~ "^/a{2};" { proxy_pass http://app/x; } }
}
"""
DIRECT = """server {
    listen 80;
    location / { proxy_pass http://app:3000; }
    location /api { set $where http://app:3000; proxy_pass $where; }
    location /else { proxy_pass http://search:9200/; }
}
"""


def switched(text: str, container: str = "shop-web-green", release: str = "20240828-143000") -> str:
    settings = load({"app": {"container": "shop-web", "port": 3000}})
    return configuration(
        settings,
        colour=container.rpartition("-")[2],
        release=release,
        container=container,
        version=(1, 22, 1),
        former=text,
    )


def outside(text: str) -> str:
    """What is not between our two lines."""
    return text[: text.index(BEGIN)] + text[text.index(END) + len(END) + 1 :]


def test_only_the_upstream_changes_and_everything_else_stays_byte_for_byte() -> None:
    start = OWN.index("    upstream  app")
    end = OWN.index("    }\n") + len("    }\n")
    assert outside(switched(OWN)) == OWN[:start] + OWN[end:]


def test_what_the_upstream_said_beside_its_server_is_kept() -> None:
    text = switched(OWN)
    assert "    server shop-web-green:3000 max_fails=3 fail_timeout=10s;" in text
    assert "    keepalive 32;\n    least_conn;\n" in text
    assert "server app:3000 max" not in text


def test_a_second_switch_changes_nothing_but_our_block_and_the_way_back_is_the_same() -> None:
    first = switched(OWN)
    second = switched(first, "shop-web-blue", "20240901-100000")
    assert outside(first) == outside(second)
    assert parse_marker(second) == ("blue", "20240901-100000")
    assert switched(second) == first


def test_the_owner_may_change_everything_around_it() -> None:
    text = switched(OWN).replace("rate=2r/s", "rate=9r/s")
    assert "rate=9r/s" in switched(text, "shop-web-blue")


def test_the_owner_may_put_his_own_file_back() -> None:
    """From his repository, over ours: the next switch takes the upstream again."""
    assert switched(OWN) == switched(switched(OWN).replace(switched(OWN), OWN))


def test_an_address_in_a_location_becomes_an_upstream_of_the_same_name() -> None:
    text = switched(DIRECT)
    assert "upstream app {\n    server shop-web-green:3000;\n}" in text
    assert outside(text) == DIRECT.replace("http://app:3000", "http://app")


def test_in_a_main_file_the_block_stands_inside_http() -> None:
    text = switched(f"events {{}}\nhttp {{\n{DIRECT}}}\n")
    assert text.index("http {") < text.index(BEGIN) < text.index("server {\n    listen 80")


def test_a_configuration_that_does_not_name_the_app_is_refused() -> None:
    with pytest.raises(NoUpstream):
        switched("server { location / { proxy_pass http://elsewhere; } }")


def test_an_upstream_with_servers_beside_the_app_is_refused_by_name() -> None:
    with pytest.raises(DeployError, match="app has servers beside the app: other:80"):
        switched("upstream app { server app:3000; server other:80 backup; }")


def test_in_a_folder_the_block_is_a_file_of_its_own_and_only_an_include_of_it_stays() -> None:
    whole = switched(DIRECT)
    site, block = split(whole, "/etc/nginx/conf.d/.deploy-upstream")
    assert "include /etc/nginx/conf.d/.deploy-upstream;" in site
    assert "upstream app" not in site
    assert parse_marker(block) == ("green", "20240828-143000")
    assert join(site, block, "/etc/nginx/conf.d/.deploy-upstream") == whole


def test_the_hosts_that_a_configuration_names_are_known() -> None:
    assert hosts_in(OWN) == {"app"}
    assert hosts_in(DIRECT) == {"app", "search"}
    assert hosts_in(switched(OWN)) == {"shop-web-green"}
    assert hosts_in("# proxy_pass http://app:3000;") == set()


@given(st.text(alphabet="ab {};#'\"\\\n$", max_size=60))
def test_any_text_can_be_read_and_every_directive_stands_where_it_says(text: str) -> None:
    for directive in directives(text):
        for word in directive.words:
            assert text[word.start : word.end] == word.text
        assert text[directive.end - 1] in ";}"
