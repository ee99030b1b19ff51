-- RTP streams as quality reports tell of them: one row for each stream of a call and kind of source.
--
-- Why this shape: as in call, a row is the merge of what each report says, by rules that give the
-- same in any order (collector/correlation/columns.py). So sums are of whole numbers, and jitter
-- stays in the unit of its source: which codec it is in may be known later. A count of 0 says that
-- nobody reported that figure, which is something else than a figure of 0. Unknown addresses and
-- SSRCs are null, and two of them are the same stream.
-- Reports without a Call-ID find their call by the media addresses in its SDP, for which call gets
-- two indexes. They cost an answered call about 10 µs and 1 KB of WAL, as measured.
-- Locks: CREATE INDEX on call, which is empty unless the version before ran in between.
-- Back: DROP TABLE rtp_stream; DROP INDEX call_caller_media, call_callee_media;

CREATE TABLE rtp_stream (
    ts                   timestamptz NOT NULL,
    call_id              text NOT NULL,
    type                 smallint NOT NULL,
    ssrc                 bigint,
    src_port             integer NOT NULL,
    dst_port             integer NOT NULL,
    src_ip               inet,
    dst_ip               inet,
    direction            text,
    first_at             timestamptz NOT NULL,
    last_at              timestamptz NOT NULL,
    reports              bigint NOT NULL,
    faults               bigint NOT NULL,
    packets              bigint,
    packets_lost         bigint,
    loss_reports         bigint NOT NULL,
    loss_sum             bigint NOT NULL,
    loss_max             bigint,
    discard_reports      bigint NOT NULL,
    discard_sum          bigint NOT NULL,
    discard_max          bigint,
    jitter_ticks_reports bigint NOT NULL,
    jitter_ticks_sum     bigint NOT NULL,
    jitter_ticks_max     bigint,
    jitter_us_reports    bigint NOT NULL,
    jitter_us_sum        bigint NOT NULL,
    jitter_us_max        bigint,
    rtt_us_reports       bigint NOT NULL,
    rtt_us_sum           bigint NOT NULL,
    rtt_us_max           bigint,
    delay_us_reports     bigint NOT NULL,
    delay_us_sum         bigint NOT NULL,
    delay_us_max         bigint,
    mos_reports          bigint NOT NULL,
    mos_sum              bigint NOT NULL,
    mos_min              bigint,
    worst_r              integer,
    worst_at             timestamptz,
    worst_id             bigint,
    worst_loss           bigint,
    worst_jitter_ticks   bigint,
    worst_jitter_us      bigint,
    worst_delay_us       bigint
) PARTITION BY RANGE (ts);

CREATE UNIQUE INDEX rtp_stream_key ON rtp_stream
    (call_id, ts, type, ssrc, src_port, dst_port, src_ip, dst_ip, direction) NULLS NOT DISTINCT;
CREATE TABLE rtp_stream_default PARTITION OF rtp_stream DEFAULT;

CREATE INDEX call_caller_media ON call (caller_media_port, caller_media_ip)
    WHERE caller_media_port IS NOT NULL;
CREATE INDEX call_callee_media ON call (callee_media_port, callee_media_ip)
    WHERE callee_media_port IS NOT NULL;
