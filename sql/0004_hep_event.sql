-- Everything that is not SIP: logs, CDRs, DNS, ISUP and types that nobody has named yet; and two
-- columns of SIP messages for what settings ask for: the leg before this one, and custom headers.
-- And a counter of the faults in the user's own functions.
--
-- Why one table: these packets differ only in their payload, which is kept as it came. jsonb only
-- for custom headers, because which there are is a matter of the settings.
-- Locks: ALTER TABLE takes an ACCESS EXCLUSIVE lock on the message tables for a moment; adding
--        nullable columns rewrites nothing.
-- Back: DROP TABLE hep_event; ALTER TABLE sip_message_… DROP COLUMN aleg_id, DROP COLUMN headers.

ALTER TABLE sip_message_call ADD COLUMN aleg_id text, ADD COLUMN headers jsonb;
ALTER TABLE sip_message_registration ADD COLUMN aleg_id text, ADD COLUMN headers jsonb;
ALTER TABLE sip_message_other ADD COLUMN aleg_id text, ADD COLUMN headers jsonb;

-- Replaced in place: the new columns come last, and what was granted stays granted.
CREATE OR REPLACE VIEW sip_message AS
    SELECT 'call' AS kind, * FROM sip_message_call
    UNION ALL
    SELECT 'registration' AS kind, * FROM sip_message_registration
    UNION ALL
    SELECT 'other' AS kind, * FROM sip_message_other;

CREATE TABLE hep_event (
    ts          timestamptz NOT NULL,
    id          bigint NOT NULL,
    sender_ts   timestamptz,
    src_port    integer NOT NULL,
    dst_port    integer NOT NULL,
    type        smallint NOT NULL,
    vlan        smallint,
    src_ip      inet,
    dst_ip      inet,
    call_id     text NOT NULL,
    node        text NOT NULL,
    fault       text,
    payload     bytea NOT NULL
) PARTITION BY RANGE (ts);

DO $$
BEGIN
    ALTER TABLE hep_event ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

CREATE INDEX hep_event_ts ON hep_event USING brin (ts) WITH (pages_per_range = 16);
CREATE INDEX hep_event_call_id ON hep_event (call_id);
CREATE TABLE hep_event_default PARTITION OF hep_event DEFAULT;

ALTER TABLE capture_node ADD COLUMN hook_faults bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN capture_node.hook_faults IS
    'Calls of functions in hook.file that failed; their packets went on.';
