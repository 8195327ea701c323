"""A whole `deploy` against its floor: what cannot be left out, as bare commands in one shell.

Both begin at plain production, in turns, with the same source, the same migration and the same
waiting: the container's health, the old nginx workers, the seconds of watching. The floor uses
the files that the tool has rendered in a deploy before; it checks nothing, measures nothing,
holds no lock and has no way back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lab import server as lab
from lab.places import PROJECT_FOLDER

from .frame import Asked, BenchError, say
from .measure import Goal, Sample, Section, Verdict, ratio, seconds, table
from .run_log import RunLog
from .tool import KEPT_FOLDER, NO_WATCH, STATE_FOLDER, Bare, Run, bare, fab, production

TIMES = 3
LIMIT = 1.15
# By the runs' logs; what it is made of is in docs/design.md.
MISSED = (
    "Python's start takes 1.4 s, the connection's own part of 329 round trips 3 s (its commands "
    "that do nothing, in one session, take as long), the summaries and the report at the end "
    "0.9 s; the rest are the programs behind the checks, which the floor leaves out"
)
WATCH = 30  # seconds that both watch the new release: what a site gets that sets nothing
FLOOR = "20000101-000000"  # the floor's own release
SLOWEST = 10  # of our steps, that are named

# Keeps what the tool has rendered and sent, under the floor's own release.
_KEEP = f"""
rm -rf {KEPT_FOLDER} && mkdir -p {KEPT_FOLDER}/out
cp -r {STATE_FOLDER}/releases/$RELEASE/source {KEPT_FOLDER}/source
sed s/$RELEASE/{FLOOR}/g {STATE_FOLDER}/releases/$RELEASE/docker-compose.green.yml \
    > {KEPT_FOLDER}/green.yml
sed s/$RELEASE/{FLOOR}/g {PROJECT_FOLDER}/nginx/nginx.conf > {KEPT_FOLDER}/nginx.conf
"""

_FLOOR = f"""
cd {PROJECT_FOLDER}
in_database() {{ docker exec -i 1001-stories-db "$@"; }}
sql() {{ in_database psql -X -q -v ON_ERROR_STOP=1 -U stories -d stories -c "$1" > /dev/null; }}
dump() {{
    in_database pg_dump --format=custom --compress=1 -U stories -d stories > "$1"
    in_database pg_restore "${{@:3}}" --file=- < "$1" > "$2"
    sync -d "$1"
}}
dump {KEPT_FOLDER}/out/assessment.dump /dev/null
part 'dump, read to its end'
dump {KEPT_FOLDER}/out/pre-migration.dump {KEPT_FOLDER}/out/pre-migration.sql --clean --if-exists
part 'dump, read to its end'
sql "ALTER TYPE \\"Role\\" ADD VALUE IF NOT EXISTS 'CUSTOMER'"
part 'migration'
docker build --quiet --tag 1001stories:{FLOOR} --build-arg RELEASE={FLOOR} {KEPT_FOLDER}/source \
    > /dev/null
part 'build'
docker-compose --project-name 1001-stories --project-directory {PROJECT_FOLDER} \
    --file {KEPT_FOLDER}/green.yml up --detach --no-deps --no-build app-green > /dev/null 2>&1
part 'start of the container'
until [ "$(docker inspect -f '{{{{.State.Health.Status}}}}' 1001-stories-app-green)" = healthy ]
do sleep 0.05; done
part 'until it is healthy'
cat {KEPT_FOLDER}/nginx.conf > nginx/nginx.conf
docker exec 1001-stories-nginx nginx -t -q 2> /dev/null
docker exec 1001-stories-nginx nginx -s reload 2> /dev/null
part 'nginx: test and reload'
while docker top 1001-stories-nginx -eo pid,args | grep -q 'shutting down'; do sleep 0.1; done
part 'until the old workers have left'
sleep {WATCH}
part 'watching'
sql "UPDATE \\"User\\" SET role = 'CUSTOMER', \\"updatedAt\\" = now() WHERE role = 'LEARNER'"
part 'migration'
docker stop --time 10 1001-stories-app > /dev/null
part 'stop of the former'
sql "ALTER TABLE \\"User\\" ADD CONSTRAINT bench_floor CHECK (role <> 'LEARNER')"
part 'migration'
docker tag 1001stories:{FLOOR} 1001stories:latest
part 'tag'
"""


def measure(asked: Asked) -> Section:
    """Deploy and floor, in turns, each from plain production."""
    times, ours, floor = asked.often(TIMES), list[Run](), list[Bare]()
    _keep_what_is_rendered()
    for number in range(times):
        production()
        ours.append(fab("deploy", f"--set=deploy.watch_seconds={WATCH}"))
        production()
        floor.append(_floor())
        say(f"{number + 1}: deploy {ours[-1].seconds:.1f} s, floor {floor[-1].seconds:.1f} s")
    return _section(ours, floor, times)


def _section(ours: Sequence[Run], floor: Sequence[Bare], times: int) -> Section:
    whole, bare_ones = [one.seconds for one in ours], [one.seconds for one in floor]
    found = Sample.ratios(whole, bare_ones)
    without = Sample.ratios([s - WATCH for s in whole], [s - WATCH for s in bare_ones])
    return Section(
        title="A whole deploy",
        text="The first deploy to plain production, from the command to its end, against the same "
        "unavoidable steps as bare commands in one shell on the server: two dumps that are read "
        "to their end, the migration, build, start, health, nginx's test and reload, its old "
        f"workers' end, {WATCH} s of watching, the former container's stop.",
        head=("", "deploy", "floor", "ratio"),
        rows=[
            ["whole", seconds(whole), seconds(bare_ones), ratio(found)],
            [
                "without the watching",
                seconds(s - WATCH for s in whole),
                seconds(s - WATCH for s in bare_ones),
                ratio(without),
            ],
        ],
        verdicts=[Verdict(Goal("a whole deploy against its floor", LIMIT, missed=MISSED), found)],
        times=times,
        notes=(
            "Where the floor's time goes:\n\n" + _floor_parts(floor),
            f"Our {SLOWEST} longest steps:\n\n" + _longest([one.log for one in ours]),
        ),
    )


def _floor_parts(floor: Sequence[Bare]) -> str:
    names = floor[0].parts
    rows = [[name, seconds(one.parts[name] for one in floor)] for name in names]
    return table(("part", "time"), rows)


def _longest(logs: Sequence[RunLog]) -> str:
    """Our steps by their median time, the longest first."""
    times: dict[tuple[str, str], list[float]] = {}
    for log in logs:
        for step in log.steps:
            title = re.sub(r"\d{8}-\d{6}", "RELEASE", step.title)
            times.setdefault((step.phase, title), []).append(step.seconds)
    ordered = sorted(times.items(), key=lambda one: -Sample.of(one[1]).median)
    rows = [[f"{phase}: {title}", seconds(took)] for (phase, title), took in ordered[:SLOWEST]]
    return table(("step", "time"), rows)


def _keep_what_is_rendered() -> None:
    """A deploy before all others: it warms both up, and leaves the files that the floor uses."""
    production()
    fab("deploy", NO_WATCH)
    labels = '{{index .Config.Labels "deploy.release"}}'
    release = lab.run(["docker", "inspect", "-f", labels, "1001-stories-app-green"]).stdout.strip()
    if not re.fullmatch(r"\d{8}-\d{6}", release):
        raise BenchError(f"the deploy that the floor is made from left release {release!r}")
    lab.run(f"RELEASE={release}\n{_KEEP}")


def _floor() -> Bare:
    """The floor, and the proof that it did what a deploy does."""
    done = bare(_FLOOR)
    release = lab.run(
        ["docker", "exec", "1001-stories-nginx", "curl", "-ksi", "https://localhost/login"]
    ).stdout
    if f"x-app-release: {FLOOR}" not in release.lower():
        raise BenchError(f"after the floor, visitors are not on its release:\n{release[:500]}")
    return done
