"""`invoke`'s door to the tasks in fabfile/, and to the lab on this machine."""

from fabfile import ns
from lab.tasks import ns as lab

ns.add_collection(lab)
