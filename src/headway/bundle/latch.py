"""The migrator lock in a script: its key computed by the server, taken by polling.

The key is the one of :func:`headway.lock.lock_key`. It is made of the database's name, which only the server
knows, by BLAKE2b (RFC 7693), which PostgreSQL does not have: so it is written out here, for messages of any
length, with words of 64 bits in ``bigint``. ``DO`` may commit between two looks, so nobody who builds an
index concurrently waits for one who waits for the lock (design.md, fact 5).
"""

from __future__ import annotations

from headway.lock import FIRST_PAUSE_S, LONGEST_PAUSE_S

_MASK = (1 << 64) - 1
# RFC 7693, 2.6 and 2.7.
_VECTOR = (
    0x6A09E667F3BCC908,
    0xBB67AE8584CAA73B,
    0x3C6EF372FE94F82B,
    0xA54FF53A5F1D36F1,
    0x510E527FADE682D1,
    0x9B05688C2B3E6C1F,
    0x1F83D9ABFB41BD6B,
    0x5BE0CD19137E2179,
)
_SIGMA = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0),
)
# Which words of the state each of the eight steps of a round mixes, flat.
_MIXED = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)
_DIGEST_BYTES = 8
_PARAMETERS = 0x01010000 ^ _DIGEST_BYTES


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _numbers(values: tuple[int, ...]) -> str:
    return ", ".join(str(_signed(value & _MASK)) for value in values)


def _array(rows: tuple[tuple[int, ...], ...]) -> str:
    return "ARRAY[" + ", ".join(f"[{_numbers(row)}]" for row in rows) + "]"


_BEGUN = (_VECTOR[0] ^ _PARAMETERS, *_VECTOR[1:])
# The lowest bigint cannot be written as a number in SQL; none of these is it.
KEY = """
    -- BLAKE2b (RFC 7693) of 8 bytes over what the lock is for, as headway computes it.
    message := pg_catalog.convert_to('headway', 'UTF8') || '\\x00'::bytea
        || pg_catalog.convert_to(pg_catalog.current_database()::text, 'UTF8') || '\\x00'::bytea
        || pg_catalog.convert_to(pg_catalog.current_setting('headway.version_schema'), 'UTF8')
        || '\\x00'::bytea
        || pg_catalog.convert_to(pg_catalog.current_setting('headway.version_name'), 'UTF8');
    size := pg_catalog.length(message);
    FOR at IN 0 .. (size - 1) / 128 LOOP
        FOR w IN 0 .. 15 LOOP
            block[w] := 0;
            FOR b IN 0 .. 7 LOOP
                IF at * 128 + w * 8 + b < size THEN
                    block[w] := block[w]
                        | (pg_catalog.get_byte(message, at * 128 + w * 8 + b)::bigint << 8 * b);
                END IF;
            END LOOP;
        END LOOP;
        FOR w IN 0 .. 7 LOOP
            state[w] := h[w + 1];
            state[w + 8] := vector[w + 1];
        END LOOP;
        state[12] := state[12] # least(size, (at + 1) * 128)::bigint;
        IF (at + 1) * 128 >= size THEN
            state[14] := ~state[14];
        END IF;
        FOR round IN 0 .. 11 LOOP
            FOR step IN 1 .. 8 LOOP
                FOR half IN 0 .. 1 LOOP
                    a := mixed[step][1]; b := mixed[step][2]; c := mixed[step][3]; d := mixed[step][4];
                    -- Sums of 64 bits, in halves: bigint knows no wrapping round.
                    at_word := sigma[round % 10 + 1][step * 2 - 1 + half];
                    FOREACH term IN ARRAY ARRAY[state[b], block[at_word]] LOOP
                        low := (state[a] & 4294967295) + (term & 4294967295);
                        high := (state[a] >> 32 & 4294967295) + (term >> 32 & 4294967295) + (low >> 32);
                        state[a] := (high << 32) | (low & 4294967295);
                    END LOOP;
                    turn := CASE half WHEN 0 THEN 32 ELSE 16 END;
                    term := state[d] # state[a];
                    state[d] := (term >> turn & ((1::bigint << 64 - turn) - 1)) | (term << 64 - turn);
                    low := (state[c] & 4294967295) + (state[d] & 4294967295);
                    high := (state[c] >> 32 & 4294967295) + (state[d] >> 32 & 4294967295) + (low >> 32);
                    state[c] := (high << 32) | (low & 4294967295);
                    turn := CASE half WHEN 0 THEN 24 ELSE 63 END;
                    term := state[b] # state[c];
                    state[b] := (term >> turn & ((1::bigint << 64 - turn) - 1)) | (term << 64 - turn);
                END LOOP;
            END LOOP;
        END LOOP;
        FOR w IN 0 .. 7 LOOP
            h[w + 1] := h[w + 1] # state[w] # state[w + 8];
        END LOOP;
    END LOOP;
    key := 0;
    FOR b IN 0 .. 7 LOOP
        key := (key << 8) | (h[1] >> 8 * b & 255);
    END LOOP;
"""
_DECLARED = f"""
    h bigint[] := ARRAY[{_numbers(_BEGUN)}];
    vector CONSTANT bigint[] := ARRAY[{_numbers(_VECTOR)}];
    sigma CONSTANT integer[] := {_array(_SIGMA)};
    mixed CONSTANT integer[] := {_array(_MIXED)};
    message bytea;
    block bigint[];
    state bigint[];
    size integer;
    a integer; b integer; c integer; d integer;
    turn integer;
    at_word integer;
    low bigint;
    high bigint;
    term bigint;
    key bigint;
"""

TAKE = f"""\
DO $headway$
DECLARE{_DECLARED}
    deadline timestamptz := pg_catalog.clock_timestamp()
        + pg_catalog.make_interval(secs => pg_catalog.current_setting('headway.lock_wait')::double precision);
    pause double precision := {FIRST_PAUSE_S};
    told boolean := false;
    holder record;
BEGIN{KEY}
    PERFORM pg_catalog.set_config('headway.lock_key', key::text, false);
    WHILE NOT pg_catalog.pg_try_advisory_lock(key) LOOP
        SELECT INTO holder activity.pid, activity.usename, activity.application_name
        FROM pg_catalog.pg_locks AS held
        LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
        WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
            AND (held.classid::bigint << 32 | held.objid::bigint) = key
            AND held.database = (SELECT oid FROM pg_catalog.pg_database
                WHERE datname = pg_catalog.current_database());
        IF pg_catalog.clock_timestamp() >= deadline THEN
            RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
                MESSAGE = pg_catalog.format('another migrator is at work, and was until the deadline '
                    '(pid %s, user %s, application "%s"); nothing was changed',
                    holder.pid, holder.usename, holder.application_name),
                HINT = 'Run the script again when it is done, or wait longer: psql -v headway_lock_wait=600.';
        END IF;
        IF NOT told THEN
            RAISE NOTICE 'waiting for another migrator: pid %, user %, application "%"',
                holder.pid, holder.usename, holder.application_name;
            told := true;
        END IF;
        -- No transaction stays open over two pauses: CREATE INDEX CONCURRENTLY may wait for one to end.
        COMMIT;
        PERFORM pg_catalog.pg_sleep(pause);
        COMMIT;
        pause := least(pause * 1.5, {LONGEST_PAUSE_S});
    END LOOP;
END
$headway$;
"""
"""Compute the key into ``headway.lock_key``, and take the lock within ``headway.lock_wait`` seconds."""

HELD = """\
EXISTS (
    SELECT FROM pg_catalog.pg_locks AS held
    WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
        AND held.mode = 'ExclusiveLock' AND held.pid = pg_catalog.pg_backend_pid()
        AND (held.classid::bigint << 32 | held.objid::bigint) = :'headway_lock_key'::bigint
        AND held.database = (SELECT oid FROM pg_catalog.pg_database
            WHERE datname = pg_catalog.current_database())
)"""
"""Whether this session has the lock."""
