"""Sequences: a number that one database has given out, another does not give out again."""

from __future__ import annotations

import json

from .database import Database
from .sql_text import literal

# Numbers left free beyond the last one: what is still given out until the databases are swapped.
MARGIN = 10_000

_GIVEN_OUT = """
SELECT schemaname AS schema, sequencename AS name, last_value AS last
  FROM pg_sequences WHERE last_value IS NOT NULL
"""
# Where the margin does not fit any more, half of what is left: no sequence is used up by this.
_ADVANCE = """
WITH given AS (
    SELECT format('%I.%I', s.schemaname, s.sequencename)::regclass AS sequence,
           s.last_value, s.min_value, s.max_value, s.increment_by AS step, u.last::numeric AS last,
           CASE WHEN s.increment_by > 0 THEN s.max_value ELSE s.min_value END AS bound
      FROM jsonb_to_recordset({used}) AS u (schema text, name text, last bigint)
      JOIN pg_sequences AS s ON s.schemaname = u.schema AND s.sequencename = u.name
), aim AS (
    SELECT sequence, step, last_value, min_value, max_value,
           last + step * least({margin}, greatest(trunc((bound - last) / 2 / step), 0)) AS target
      FROM given
)
SELECT count(setval(sequence, least(greatest(target, min_value), max_value)::bigint)) AS advanced
  FROM aim
 WHERE last_value IS NULL OR (target - last_value) * step > 0
"""


def keep_numbers(used: Database, target: Database) -> None:
    """Advance every sequence of one database beyond what another has given out, and a margin.

    :param used: the database whose numbers are taken.
    :param target: where the sequences are advanced.
    """
    with used.session() as session:
        given = json.dumps(session.query(_GIVEN_OUT))
    with target.session() as session:
        session.query(_ADVANCE.format(used=literal(given), margin=MARGIN))
