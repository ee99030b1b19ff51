-- What each capture node received and lost, by the minute, so that it can stand beside the quality of
-- the calls of that time.
--
-- Why this shape: balance has the sums of now. Here are the same sums as they stood at the end of
-- each minute, so that a reading that is missing loses nothing: the next one has it.
-- Locks: none on existing data; creates a table.
-- Back: DROP TABLE capture_loss.

CREATE TABLE capture_loss (
    minute      timestamptz NOT NULL,
    journal_id  uuid NOT NULL,
    received    bigint NOT NULL,
    lost        bigint NOT NULL,
    PRIMARY KEY (minute, journal_id)
) WITH (fillfactor = 50);

COMMENT ON COLUMN capture_loss.received IS
    'Packets since the journal was created, those that the kernel dropped included.';
COMMENT ON COLUMN capture_loss.lost IS 'Those of them that were dropped before the journal had them.';
