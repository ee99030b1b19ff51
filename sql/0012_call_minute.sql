-- Calls per minute, for charts and key figures.
--
-- A minute is counted anew from call whenever calls that began in it have changed, so that it does
-- not matter who stores what, when and how often. Whoever writes calls names their minutes in
-- call_changed, in the same transaction; it has no index, so that writers never wait for each other.
-- Numbers by status are rows, not columns: which statuses make a figure is for the reader to say.
-- Locks: none on existing data; creates tables.
-- Back: DROP TABLE call_changed, call_minute.

CREATE TABLE call_minute (
    minute          timestamptz NOT NULL,
    node            text NOT NULL,
    src_peer        text NOT NULL,
    dst_peer        text NOT NULL,
    state           text NOT NULL,
    status          smallint NOT NULL,
    calls           bigint NOT NULL,
    pdd_calls       bigint NOT NULL,
    pdd_ms          double precision NOT NULL,
    setup_calls     bigint NOT NULL,
    setup_ms        double precision NOT NULL,
    duration_calls  bigint NOT NULL,
    duration_ms     double precision NOT NULL,
    PRIMARY KEY (minute, node, src_peer, dst_peer, state, status)
);

COMMENT ON TABLE call_minute IS
    'Calls by the minute in which they began; those of which no INVITE was seen are not counted.';
COMMENT ON COLUMN call_minute.src_peer IS 'Name of src_ip in metrics.peers; empty for none.';
COMMENT ON COLUMN call_minute.status IS 'Final status of the INVITE; 0 for none.';
COMMENT ON COLUMN call_minute.pdd_ms IS 'Sum over the pdd_calls that have one; the others likewise.';

CREATE TABLE call_changed (
    minute     timestamptz NOT NULL,
    marked_at  timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE call_changed IS 'Minutes that are to be counted anew.';
COMMENT ON COLUMN stat_minute.status_class IS
    '1 … 6 for responses, 0 for requests; 7 for 401 and 407, which ask for credentials.';
