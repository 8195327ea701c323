"""What is tied to one database by its number: a rename waits for it, or leaves it behind."""

from __future__ import annotations

from ..errors import DeployError
from .sql_session import Session
from .sql_text import literal

_TIED = """
SELECT 'the prepared transaction ' || quote_literal(gid) AS what,
       'ROLLBACK PREPARED ' || quote_literal(gid) AS out
  FROM pg_prepared_xacts WHERE database = {name}
UNION ALL
SELECT 'the replication slot ' || slot_name,
       'SELECT pg_drop_replication_slot(' || quote_literal(slot_name) || ')'
  FROM pg_replication_slots WHERE database = {name}
UNION ALL
SELECT 'the subscription ' || s.subname, 'DROP SUBSCRIPTION ' || quote_ident(s.subname)
  FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid WHERE d.datname = {name}
"""


def refuse_tied(session: Session, name: str) -> None:
    """:raises DeployError: a prepared transaction, replication slot or subscription is there."""
    tied = session.query(_TIED.format(name=literal(name)))
    if tied:
        raise DeployError(
            f"{tied[0]['what']} is tied to the database {name}",
            evidence="\n".join(row["what"] for row in tied),
            state="nothing was changed",
            next_command=f"finish it, or give it up in {name}: {tied[0]['out']};",
        )
