"""Functions of PostgreSQL, by what a default that calls them costs."""

from __future__ import annotations

from headway.lint.columntypes import Chance

# Volatile (pg_proc.provolatile = 'v'): a value of its own for each row.
_VOLATILE = frozenset(
    """clock_timestamp currval gen_random_bytes gen_random_uuid lastval nextval pg_sleep random random_normal
    setseed setval timeofday txid_current uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 uuidv4
    uuidv7""".split()  # noqa: SIM905  # a list of words reads better so
)
# Not volatile, and seen in defaults: one value for all rows.
_STEADY = frozenset(
    """abs age array_fill btrim ceil chr concat concat_ws convert_from convert_to current_database
    current_schema current_setting current_user date_part date_trunc decode encode extract floor format
    hashtext initcap int4range json_build_array json_build_object jsonb_build_array jsonb_build_object left
    length lower lpad ltrim make_date make_interval make_time make_timestamp make_timestamptz md5 mod now
    numrange power regexp_replace repeat replace right round rpad rtrim sha256 sign split_part sqrt
    statement_timestamp substr substring timezone to_char to_date to_json to_jsonb to_number to_regclass
    to_timestamp to_tsvector transaction_timestamp translate trim trunc tsrange tstzrange upper
    version""".split()  # noqa: SIM905  # a list of words reads better so
)


def rewrite_chance(functions: frozenset[str]) -> Chance:
    """Whether a default that calls these is computed for every row; of an unknown one it is believed."""
    return Chance.SURE if functions & _VOLATILE or functions - _STEADY else Chance.NONE
