"""Functions of PostgreSQL, by what a default that calls them costs."""

from __future__ import annotations

from headway.lint.columntypes import Chance

# Not volatile (pg_proc.provolatile is not 'v'), and seen in defaults: one value for all rows.
_STEADY = frozenset(
    """abs age array_append array_fill array_to_string bool btrim ceil chr concat concat_ws convert_from
    convert_to current_database current_schema current_setting current_user date_part date_trunc decode
    encode extract floor format hashtext initcap int4range json_build_array json_build_object
    jsonb_build_array jsonb_build_object left length lower lpad ltrim make_date make_interval make_time
    make_timestamp make_timestamptz md5 mod now numrange power quote_literal regexp_replace repeat
    replace right round rpad rtrim sha256 sign split_part sqrt statement_timestamp string_to_array
    substr substring timezone to_char to_date to_json to_jsonb to_number to_regclass to_timestamp
    to_tsvector transaction_timestamp translate trim trunc tsrange tstzrange upper version""".split()  # noqa: SIM905  # a list of words reads better so
)


def rewrite_chance(functions: frozenset[str], own: frozenset[str] = frozenset()) -> Chance:
    """Whether a default that calls these is computed for every row; of an unknown one it is believed.

    Args:
        functions: what it calls.
        own: functions of the project that are STABLE or IMMUTABLE.
    """
    return Chance.SURE if functions - _STEADY - own else Chance.NONE
