-- How far the removal of successful exchanges (retention.failed_only) has come, by table.
--
-- Locks: none on existing data; creates a table.
-- Back: DROP TABLE thinning.

CREATE TABLE thinning (
    name        text PRIMARY KEY,
    done_until  timestamptz NOT NULL
);
