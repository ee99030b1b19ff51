-- SIP messages: one row per captured message, three tables because retention differs by kind.
--
-- Why this shape: typed columns and two small indexes. What people search by is indexed on the
-- call, which is ten times smaller; here only time (BRIN, since rows arrive in order) and Call-ID
-- are. Partitioned by time range, one level only, so that old data goes by DROP and the tables can
-- still be distributed by call_id.
-- Locks: none on existing data; creates tables.
-- Back: DROP VIEW sip_message; DROP TABLE sip_message_call, sip_message_registration,
--       sip_message_other.

CREATE TABLE sip_message_call (
    ts              timestamptz NOT NULL,
    id              bigint NOT NULL,
    sender_ts       timestamptz,
    src_port        integer NOT NULL,
    dst_port        integer NOT NULL,
    cseq            integer,
    status          smallint,
    vlan            smallint,
    src_ip          inet,
    dst_ip          inet,
    call_id         text NOT NULL,
    method          text,
    reason          text,
    transport       text NOT NULL,
    node            text NOT NULL,
    correlation_id  text,
    ruri_user       text,
    ruri_domain     text,
    from_user       text,
    from_domain     text,
    from_tag        text,
    to_user         text,
    to_domain       text,
    to_tag          text,
    contact_user    text,
    contact_domain  text,
    pai_user        text,
    pai_domain      text,
    auth_user       text,
    auth_realm      text,
    user_agent      text,
    via_branch      text,
    fault           text,
    raw             bytea NOT NULL
) PARTITION BY RANGE (ts);

-- Only messages beyond 2 KB are compressed; lz4 costs a fraction of pglz there. A server that was
-- built without lz4 keeps pglz.
DO $$
BEGIN
    ALTER TABLE sip_message_call ALTER COLUMN raw SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    RAISE NOTICE 'this PostgreSQL has no lz4; large messages are compressed with pglz';
END
$$;

CREATE TABLE sip_message_registration
    (LIKE sip_message_call INCLUDING ALL) PARTITION BY RANGE (ts);
CREATE TABLE sip_message_other
    (LIKE sip_message_call INCLUDING ALL) PARTITION BY RANGE (ts);

-- 16 pages are about 130 messages: a search for one second does not read much more than it shows.
CREATE INDEX sip_message_call_ts
    ON sip_message_call USING brin (ts) WITH (pages_per_range = 16);
CREATE INDEX sip_message_registration_ts
    ON sip_message_registration USING brin (ts) WITH (pages_per_range = 16);
CREATE INDEX sip_message_other_ts
    ON sip_message_other USING brin (ts) WITH (pages_per_range = 16);

CREATE INDEX sip_message_call_call_id ON sip_message_call (call_id);
CREATE INDEX sip_message_registration_call_id ON sip_message_registration (call_id);
CREATE INDEX sip_message_other_call_id ON sip_message_other (call_id);

-- A row is never refused for lack of a partition. These stay empty; `doctor` alarms if not.
CREATE TABLE sip_message_call_default
    PARTITION OF sip_message_call DEFAULT;
CREATE TABLE sip_message_registration_default
    PARTITION OF sip_message_registration DEFAULT;
CREATE TABLE sip_message_other_default
    PARTITION OF sip_message_other DEFAULT;

CREATE VIEW sip_message AS
    SELECT 'call' AS kind, * FROM sip_message_call
    UNION ALL
    SELECT 'registration' AS kind, * FROM sip_message_registration
    UNION ALL
    SELECT 'other' AS kind, * FROM sip_message_other;

COMMENT ON VIEW sip_message IS 'All SIP messages; kind names the table.';
