-- What retention has dropped, and what the capture tables and the disk below them held when.
--
-- retention_log has a row for every partition that went, written in the transaction that freed its
-- bytes; retention_dropped has the sums, which outlive it and never shrink: counters for metrics.
-- retention_sample has one row per minute and capture node: the state that doctor and the web API
-- show, and the history that a forecast is made from.
-- Locks: none on existing data; creates tables.
-- Back: DROP TABLE retention_sample, retention_dropped, retention_log.

CREATE TABLE retention_log (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dropped_at   timestamptz NOT NULL DEFAULT now(),
    kind         text NOT NULL,
    partition    text NOT NULL,
    range_begin  timestamptz NOT NULL,
    range_end    timestamptz NOT NULL,
    messages     bigint NOT NULL,
    octets       bigint NOT NULL,
    reason       text NOT NULL,
    capture_node text NOT NULL
);

CREATE INDEX retention_log_dropped_at ON retention_log (dropped_at);

COMMENT ON COLUMN retention_log.messages IS 'PostgreSQL''s estimate of the rows.';
COMMENT ON COLUMN retention_log.reason IS 'age, or the name of the setting whose limit was reached.';

CREATE TABLE retention_dropped (
    kind        text NOT NULL,
    reason      text NOT NULL,
    partitions  bigint NOT NULL,
    messages    bigint NOT NULL,
    octets      bigint NOT NULL,
    PRIMARY KEY (kind, reason)
);

CREATE TABLE retention_sample (
    journal_id    uuid NOT NULL,
    minute        timestamptz NOT NULL,
    looked_at     timestamptz NOT NULL,
    octets        bigint NOT NULL,
    octets_limit  bigint NOT NULL,
    disk          text NOT NULL,
    disk_used     bigint NOT NULL,
    disk_size     bigint NOT NULL,
    disk_limit    bigint NOT NULL,
    findings      text[] NOT NULL,
    PRIMARY KEY (journal_id, minute)
) WITH (fillfactor = 50);

COMMENT ON COLUMN retention_sample.octets IS
    'All partitions of the capture tables with indexes and TOAST; octets_limit 0: no limit.';
COMMENT ON COLUMN retention_sample.disk IS
    'The file system below them that is nearest to its limit; empty: it cannot be watched.';
