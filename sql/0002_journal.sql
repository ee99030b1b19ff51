-- What ties the rows to the journals of the capture nodes, and the balance sheet.
--
-- journal_progress and ingest_counter change in the transaction that stores the rows: that is what
-- makes a replay harmless and the balance exact. capture_node and balance are what a node publishes
-- about itself every second, one consistent picture for the web API.
-- Locks: none on existing data; creates tables.
-- Back: DROP TABLE balance, capture_node, ingest_counter, journal_progress.

CREATE TABLE journal_progress (
    segment       uuid PRIMARY KEY,
    journal_id    uuid NOT NULL,
    slot          smallint NOT NULL,
    first_record  bigint NOT NULL,
    octets        bigint NOT NULL,
    records       bigint NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

COMMENT ON TABLE journal_progress IS
    'How far each journal segment is stored: bytes and records of it whose rows are committed.';

CREATE TABLE ingest_counter (
    journal_id  uuid NOT NULL,
    process     smallint NOT NULL,
    cause       text NOT NULL,
    messages    bigint NOT NULL,
    PRIMARY KEY (journal_id, process, cause)
) WITH (fillfactor = 50);

COMMENT ON TABLE ingest_counter IS
    'Journal records by what became of them; one row per ingest process so that none waits.';

CREATE TABLE capture_node (
    journal_id        uuid PRIMARY KEY,
    name              text NOT NULL,
    version           text NOT NULL,
    heartbeat_at      timestamptz NOT NULL,
    received          bigint NOT NULL,
    waiting           bigint NOT NULL,
    waiting_octets    bigint NOT NULL,
    oldest_waiting_at timestamptz,
    last_packet_at    timestamptz,
    last_commit_at    timestamptz,
    unaccounted       bigint NOT NULL
) WITH (fillfactor = 50);

COMMENT ON COLUMN capture_node.unaccounted IS
    'received minus everything that is known to have become of it: 0, or there is a bug.';

CREATE TABLE balance (
    journal_id  uuid NOT NULL REFERENCES capture_node ON DELETE CASCADE,
    cause       text NOT NULL,
    messages    bigint NOT NULL,
    PRIMARY KEY (journal_id, cause)
) WITH (fillfactor = 50);
