-- Quality reports: one row for each report block or direction, whatever form it came in; and a
-- column for the HEP chunks that few senders emit.
--
-- Why this shape: typed columns in stated units, null where a source does not say, so that one
-- query answers for all sources. Its own retention, because quality belongs to calls. jsonb for
-- chunks: a null costs nothing, and which there are is a matter of the sender.
-- Locks: ALTER TABLE takes an ACCESS EXCLUSIVE lock on the message and event tables for a moment;
--        adding nullable columns rewrites nothing.
-- Back: DROP TABLE rtcp_report; ALTER TABLE … DROP COLUMN chunks (after DROP VIEW sip_message).

ALTER TABLE sip_message_call ADD COLUMN chunks jsonb;
ALTER TABLE sip_message_registration ADD COLUMN chunks jsonb;
ALTER TABLE sip_message_other ADD COLUMN chunks jsonb;
ALTER TABLE hep_event ADD COLUMN chunks jsonb;

CREATE OR REPLACE VIEW sip_message AS
    SELECT 'call' AS kind, * FROM sip_message_call
    UNION ALL
    SELECT 'registration' AS kind, * FROM sip_message_registration
    UNION ALL
    SELECT 'other' AS kind, * FROM sip_message_other;

CREATE TABLE rtcp_report (
    ts                   timestamptz NOT NULL,
    id                   bigint NOT NULL,
    sender_ts            timestamptz,
    src_port             integer NOT NULL,
    dst_port             integer NOT NULL,
    type                 smallint NOT NULL,
    block                smallint NOT NULL,
    vlan                 smallint,
    packet_type          smallint,
    ssrc                 bigint,
    source_ssrc          bigint,
    packets              bigint,
    octets               bigint,
    packets_lost         integer,
    fraction_lost        real,
    fraction_discarded   real,
    highest_seq          bigint,
    jitter               bigint,
    jitter_ms            real,
    max_jitter_ms        real,
    delta_ms             real,
    rtt_ms               real,
    rtt_source           text,
    latency_ms           real,
    end_system_delay_ms  integer,
    lsr                  bigint,
    dlsr                 bigint,
    mos                  real,
    mos_cq               real,
    r_factor             real,
    burst_density        real,
    gap_density          real,
    burst_ms             integer,
    gap_ms               integer,
    src_ip               inet,
    dst_ip               inet,
    call_id              text NOT NULL,
    node                 text NOT NULL,
    direction            text,
    fault                text,
    payload              bytea,
    chunks               jsonb
) PARTITION BY RANGE (ts);

DO $$
BEGIN
    ALTER TABLE rtcp_report ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

CREATE INDEX rtcp_report_ts ON rtcp_report USING brin (ts) WITH (pages_per_range = 16);
CREATE INDEX rtcp_report_call_id ON rtcp_report (call_id);
CREATE TABLE rtcp_report_default PARTITION OF rtcp_report DEFAULT;
