-- Who was refused before the journal: at the door, or because of what a connection sent.
--
-- The capture node publishes its own counts (a file beside the journal) as they are; they have
-- their counterpart in the causes sender_* and stream_* of the balance, and are no part of sender,
-- which counts what was read from the journal.
-- Locks: none on existing data; creates a table.
-- Back: DROP TABLE refused_peer.

CREATE TABLE refused_peer (
    journal_id  uuid NOT NULL REFERENCES capture_node ON DELETE CASCADE,
    peer        inet NOT NULL,
    cause       text NOT NULL,
    packets     bigint NOT NULL,
    last_seen   timestamptz NOT NULL,
    PRIMARY KEY (journal_id, peer, cause)
) WITH (fillfactor = 50);

COMMENT ON TABLE refused_peer IS
    'Packets and connections refused by address and cause; the address :: stands for all others.';
COMMENT ON COLUMN sender.hep_version IS
    'Version 1, 2 or 3; 4 is the form in Protobuf, 0 is something that is not HEP.';
