-- Counters kept while messages are stored, so that charts and `doctor` never scan messages, and
-- the quarantine.
--
-- journal_id and process are part of every key: ingest processes never wait for each other's rows.
-- Locks: none on existing data; creates tables.
-- Back: DROP TABLE quarantine, sender, stat_minute.

CREATE TABLE stat_minute (
    minute        timestamptz NOT NULL,
    journal_id    uuid NOT NULL,
    process       smallint NOT NULL,
    node          text NOT NULL,
    method        text NOT NULL,
    status_class  smallint NOT NULL,
    messages      bigint NOT NULL,
    octets        bigint NOT NULL,
    PRIMARY KEY (minute, journal_id, process, node, method, status_class)
) WITH (fillfactor = 50);

COMMENT ON COLUMN stat_minute.status_class IS '1 … 6 for responses, 0 for requests.';

CREATE TABLE sender (
    journal_id       uuid NOT NULL,
    process          smallint NOT NULL,
    peer             inet NOT NULL,
    node             text NOT NULL,
    hep_version      smallint NOT NULL,
    first_seen       timestamptz NOT NULL,
    last_seen        timestamptz NOT NULL,
    packets          bigint NOT NULL,
    rejected         bigint NOT NULL,
    clock_offset_us  bigint NOT NULL,
    PRIMARY KEY (journal_id, process, peer, node, hep_version)
) WITH (fillfactor = 50);

COMMENT ON TABLE sender IS
    'Who sends HEP: address, capture agent and version; version 0 is something that is not HEP.';
COMMENT ON COLUMN sender.clock_offset_us IS
    'The sender''s clock minus ours at the last message, transport included.';

CREATE TABLE quarantine (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    journal_id   uuid NOT NULL,
    received_at  timestamptz NOT NULL,
    peer         inet NOT NULL,
    port         integer NOT NULL,
    cause        text NOT NULL,
    detail       text NOT NULL,
    packet       bytea NOT NULL
);

COMMENT ON TABLE quarantine IS
    'Packets that could not be decoded or stored, as received; the newest ones are kept.';
