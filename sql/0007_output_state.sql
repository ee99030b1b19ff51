-- How the outputs beside PostgreSQL are doing: what each capture node publishes every second.
--
-- The truth is in the journal, in the state file of each output; this is its copy for the web API.
-- Locks: none on existing data; creates tables.
-- Back: DROP TABLE output_balance, output_state.

CREATE TABLE output_state (
    journal_id       uuid NOT NULL REFERENCES capture_node ON DELETE CASCADE,
    output           text NOT NULL,
    target           text NOT NULL,
    running          boolean NOT NULL,
    connected        boolean NOT NULL,
    waiting          bigint NOT NULL,
    waiting_octets   bigint NOT NULL,
    last_success_at  timestamptz,
    last_failure_at  timestamptz,
    last_error       text NOT NULL,
    PRIMARY KEY (journal_id, output)
) WITH (fillfactor = 50);

COMMENT ON COLUMN output_state.last_error IS 'Why the last failed attempt failed; stays when it works again.';

CREATE TABLE output_balance (
    journal_id  uuid NOT NULL,
    output      text NOT NULL,
    fate        text NOT NULL,
    records     bigint NOT NULL,
    PRIMARY KEY (journal_id, output, fate),
    FOREIGN KEY (journal_id, output) REFERENCES output_state ON DELETE CASCADE
) WITH (fillfactor = 50);

COMMENT ON TABLE output_balance IS 'Journal records by what became of them at an output.';
