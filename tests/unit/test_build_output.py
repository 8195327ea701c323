"""How far a build has come, from the words of both builders and of a pull."""

from __future__ import annotations

import pytest

from fabfile.report.build_output import BuildProgress

LEGACY = """
Sending build context to Docker daemon  21.5kB
Step 1/3 : FROM stories-base
 ---> 0a1b2c3d4e5f
Step 2/3 : RUN make
 ---> Running in aa11bb22cc33
"""
BUILDKIT = """
#0 building with "default" instance using docker driver
#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 512B done
#1 DONE 0.0s
#4 [build 1/2] FROM docker.io/library/node:20
#4 DONE 0.0s
#5 [stage-1 1/3] FROM docker.io/library/debian
#5 CACHED
#6 [build 2/2] RUN npm ci
#6 0.345 Step 1/9 : no step of this build
"""
PULL = """
latest: Pulling from acme/site
1f7ce2fa46ab: Pulling fs layer
249ff3a7bbe6: Pulling fs layer
aa5d47f22b64: Already exists
1f7ce2fa46ab: Verifying Checksum
1f7ce2fa46ab: Download complete
1f7ce2fa46ab: Pull complete
"""


def read(text: str) -> tuple[int, int, str]:
    progress = BuildProgress()
    for line in text.strip().splitlines():
        progress.take(line)
    return progress.done, progress.total, progress.words


@pytest.mark.parametrize(
    ("text", "come"),
    [
        (LEGACY, (1, 3, "step 2 of 3  RUN make")),
        (LEGACY + "Successfully built 0a1b\n", (3, 3, "step 3 of 3  RUN make")),
        (BUILDKIT, (2, 5, "step 3 of 5  RUN npm ci")),
        (
            BUILDKIT + "#6 DONE 4.2s\n#9 exporting to image\n",
            (3, 5, "step 4 of 5  exporting to image"),
        ),
        (BUILDKIT + "#6 ERROR: process failed\n", (3, 5, "step 4 of 5  RUN npm ci")),
        ("#7 [linux/amd64 app  2/14] COPY . .", (0, 14, "step 1 of 14  COPY . .")),
        ("#5 [2/6] RUN a\n#5 [2/6] RUN a\n#5 DONE 1s\n#5 DONE 1s", (1, 6, "step 2 of 6  RUN a")),
        (PULL, (2, 3, "2 of 3 layers")),
        ("nothing of this kind", (0, 0, "")),
    ],
)
def test_steps_are_counted(text: str, come: tuple[int, int, str]) -> None:
    assert read(text) == come


def test_a_line_of_the_build_itself_is_no_progress() -> None:
    assert not BuildProgress().take("added 312 packages in 4s")
