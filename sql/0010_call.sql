-- Calls, registrations and how legs belong together: what people search, ten times smaller than the
-- messages.
--
-- Why this shape: a row of call is the merge of what each message says about its leg. Every merge
-- is a smallest, a largest, a sum, or the values of the first or last message of a sort, so that
-- neither the order of the messages nor who stores them changes the outcome; the rules are in
-- collector/correlation/columns.py. What follows from those facts (state, status, delays) is
-- generated here, in the same row version. A failure counts when neither another attempt (a redirect
-- was followed) nor the first ringing (a proxy tried elsewhere) came after it. ts files the row: a
-- leg's first stored message chooses it, call_key remembers it, so that all capture nodes and ingest
-- processes meet in one row.
-- call_link has an edge from a leg to an id: another leg's Call-ID, or something that both share.
-- Locks: ALTER TABLE journal_progress for a moment; else creates tables.
-- Back: DROP TABLE call_link, registration, call_key, call; DROP FUNCTION milliseconds;
--       ALTER TABLE journal_progress DROP COLUMN correlated;
--       ALTER TABLE capture_node DROP COLUMN calls_refused.

-- How far the calls of a segment are written, in bytes; its rows are further by up to a second.
ALTER TABLE journal_progress ADD COLUMN correlated bigint;
UPDATE journal_progress SET correlated = octets;
ALTER TABLE journal_progress ALTER COLUMN correlated SET NOT NULL;

ALTER TABLE capture_node ADD COLUMN calls_refused bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN capture_node.calls_refused IS
    'Times that PostgreSQL did not take what messages say of a call; the messages are stored.';

CREATE FUNCTION milliseconds(span interval) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN span >= interval '0' THEN (extract(epoch FROM span) * 1000)::double precision END;

COMMENT ON FUNCTION milliseconds(interval) IS
    'Null for less than nothing: then two capture agents have clocks that differ.';

CREATE TABLE call (
    ts                   timestamptz NOT NULL,
    call_id              text NOT NULL,
    started_at           timestamptz NOT NULL,
    last_at              timestamptz NOT NULL,
    messages             bigint NOT NULL,
    seen                 bytea,

    first_rank           smallint NOT NULL,
    first_at             timestamptz NOT NULL,
    first_id             bigint NOT NULL,
    src_port             integer NOT NULL,
    dst_port             integer NOT NULL,
    src_ip               inet,
    dst_ip               inet,
    from_user            text,
    from_domain          text,
    from_tag             text,
    to_user              text,
    to_domain            text,
    ruri_user            text,
    ruri_domain          text,
    pai_user             text,
    pai_domain           text,
    transport            text NOT NULL,
    node                 text NOT NULL,
    user_agent           text,
    headers              jsonb,

    attempt_order        integer,
    attempt_at           timestamptz,
    attempt_id           bigint,
    attempt_branch       text,

    trying_at            timestamptz,
    progress_at          timestamptz,
    ringing_at           timestamptz,
    early_media_at       timestamptz,

    answered_at          timestamptz,
    answer_id            bigint,
    answer_status        smallint,
    answer_ip            inet,
    to_tag               text,
    answer_agent         text,
    confirmed_at         timestamptz,

    failed_at            timestamptz,
    failure_id           bigint,
    failure_status       smallint,
    failure_ip           inet,
    failure_reason       text,
    failure_cause        text,
    failure_warning      text,

    terminated_at        timestamptz,

    challenged_at        timestamptz,
    challenge_id         bigint,
    challenge_status     smallint,
    challenge_cseq       integer,

    cancelled_at         timestamptz,
    cancel_id            bigint,
    cancel_branch        text,
    cancel_cause         text,

    bye_at               timestamptz,
    bye_id               bigint,
    bye_ip               inet,
    bye_tag              text,
    bye_cause            text,
    bye_confirmed_at     timestamptz,

    caller_media_rank    smallint,
    caller_media_at      timestamptz,
    caller_media_id      bigint,
    caller_media_ip      inet,
    caller_media_port    integer,
    caller_codecs        text,

    callee_media_rank    smallint,
    callee_media_at      timestamptz,
    callee_media_id      bigint,
    callee_media_ip      inet,
    callee_media_port    integer,
    callee_codecs        text,

    held_at              timestamptz,
    hold_changed_at      timestamptz,
    hold_id              bigint,
    on_hold              boolean,

    refer_at             timestamptz,
    refer_id             bigint,
    refer_to             text,

    auth_user            text,
    timed_out_at         timestamptz,

    caller text GENERATED ALWAYS AS (
        CASE WHEN lower(from_user) IN ('anonymous', 'unknown') THEN coalesce(pai_user, from_user)
             ELSE coalesce(from_user, pai_user) END
    ) STORED,
    callee text GENERATED ALWAYS AS (coalesce(ruri_user, to_user)) STORED,
    state text NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN answered_at IS NOT NULL THEN
                CASE WHEN bye_at IS NOT NULL THEN 'completed'
                     WHEN timed_out_at >= last_at THEN 'timed_out'
                     ELSE 'answered' END
            WHEN cancelled_at IS NOT NULL AND (
                    failed_at IS NULL
                    OR cancel_branch = attempt_branch AND terminated_at IS NOT NULL
                ) THEN 'cancelled'
            WHEN failed_at = greatest(failed_at, attempt_at, progress_at) THEN
                CASE WHEN failure_status IN (486, 600) THEN 'busy'
                     WHEN failure_status < 400 THEN 'redirected'
                     ELSE 'failed' END
            WHEN challenge_cseq >= -attempt_order THEN 'failed'
            WHEN terminated_at IS NOT NULL THEN 'cancelled'
            WHEN bye_at IS NOT NULL THEN 'completed'
            WHEN timed_out_at >= last_at THEN 'timed_out'
            WHEN progress_at IS NOT NULL THEN 'ringing'
            WHEN first_rank = 0 OR trying_at IS NOT NULL THEN 'trying'
            ELSE 'unknown'
        END
    ) STORED,
    status smallint GENERATED ALWAYS AS (
        CASE
            WHEN answered_at IS NOT NULL THEN answer_status
            WHEN cancelled_at IS NOT NULL AND terminated_at IS NOT NULL
                 AND (failed_at IS NULL OR cancel_branch = attempt_branch) THEN 487
            WHEN failed_at = greatest(failed_at, attempt_at, progress_at) THEN failure_status
            WHEN challenge_cseq >= -attempt_order THEN challenge_status
            WHEN terminated_at IS NOT NULL THEN 487
        END
    ) STORED,
    ended_at timestamptz GENERATED ALWAYS AS (
        CASE
            WHEN answered_at IS NOT NULL THEN bye_at
            WHEN cancelled_at IS NOT NULL AND failed_at IS NULL
                THEN coalesce(terminated_at, cancelled_at)
            WHEN failed_at = greatest(failed_at, attempt_at, progress_at)
                 OR cancel_branch = attempt_branch AND terminated_at IS NOT NULL
                THEN greatest(failed_at, terminated_at)
            WHEN challenge_cseq >= -attempt_order THEN challenged_at
            ELSE coalesce(terminated_at, bye_at)
        END
    ) STORED,
    ended_by text GENERATED ALWAYS AS (
        CASE
            WHEN bye_at IS NOT NULL THEN
                CASE WHEN first_rank > 1 OR bye_tag IS NULL THEN NULL
                     WHEN bye_tag = from_tag THEN 'caller'
                     ELSE 'callee' END
            WHEN answered_at IS NULL AND cancel_branch = attempt_branch
                 AND (failed_at IS NULL OR terminated_at IS NOT NULL) THEN 'caller'
        END
    ) STORED,
    pdd_ms double precision GENERATED ALWAYS AS (
        CASE WHEN first_rank = 0 THEN milliseconds(coalesce(
            least(progress_at, answered_at),
            CASE WHEN failed_at = greatest(failed_at, attempt_at) THEN failed_at
                 WHEN challenge_cseq >= -attempt_order THEN challenged_at END,
            terminated_at) - first_at) END
    ) STORED,
    setup_ms double precision GENERATED ALWAYS AS (
        CASE WHEN first_rank = 0 THEN milliseconds(answered_at - first_at) END
    ) STORED,
    duration_ms double precision GENERATED ALWAYS AS (milliseconds(bye_at - answered_at)) STORED,

    PRIMARY KEY (call_id, ts)
) PARTITION BY RANGE (ts);

-- A running call is updated a few times: with room on its page no index has to learn of it. Only
-- its end does, for the last of these indexes.
CREATE INDEX call_started_at ON call (started_at);
CREATE INDEX call_caller ON call (caller text_pattern_ops, started_at);
CREATE INDEX call_callee ON call (callee text_pattern_ops, started_at);
CREATE INDEX call_caller_end ON call (reverse(caller) text_pattern_ops, started_at);
CREATE INDEX call_callee_end ON call (reverse(callee) text_pattern_ops, started_at);
CREATE INDEX call_running ON call (started_at) WHERE ended_at IS NULL AND timed_out_at IS NULL;
CREATE TABLE call_default PARTITION OF call DEFAULT;

CREATE TABLE call_key (
    call_id  text PRIMARY KEY,
    ts       timestamptz NOT NULL
);

CREATE INDEX call_key_ts ON call_key USING brin (ts);

COMMENT ON TABLE call_key IS
    'Where the row of a recent leg is filed: whoever names a Call-ID first decides.';

CREATE TABLE call_link (
    ts          timestamptz NOT NULL,
    call_id     text NOT NULL,
    linked_id   text NOT NULL,
    reason      text NOT NULL,
    detail      text,
    confidence  text NOT NULL,
    PRIMARY KEY (call_id, linked_id, reason, ts)
) PARTITION BY RANGE (ts);

CREATE INDEX call_link_linked_id ON call_link (linked_id);
CREATE TABLE call_link_default PARTITION OF call_link DEFAULT;

-- A phone keeps its Call-ID while it renews, so one row lives as long as the phone: no partitions.
CREATE TABLE registration (
    call_id            text NOT NULL,
    aor                text NOT NULL,
    first_at           timestamptz NOT NULL,
    last_at            timestamptz NOT NULL,
    requests           bigint NOT NULL,
    challenges         bigint NOT NULL,
    failures           bigint NOT NULL,

    request_at         timestamptz,
    request_id         bigint,
    request_cseq       integer,
    asked_expires      integer,
    contact            text,
    contact_user       text,
    contact_domain     text,
    src_port           integer,
    dst_port           integer,
    src_ip             inet,
    dst_ip             inet,
    transport          text,
    node               text,
    user_agent         text,

    response_at        timestamptz,
    response_id        bigint,
    response_cseq      integer,
    status             smallint,
    reason             text,

    registered_at      timestamptz,
    registered_id      bigint,
    granted_expires    integer,

    failed_at          timestamptz,
    failure_id         bigint,
    failure_status     smallint,
    failure_reason     text,

    auth_user          text,

    state text NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN response_at IS NULL OR response_cseq < request_cseq THEN 'trying'
            WHEN status IN (401, 407) THEN 'challenged'
            WHEN status >= 300 THEN 'failed'
            WHEN asked_expires = 0 OR granted_expires = 0 THEN 'unregistered'
            ELSE 'registered'
        END
    ) STORED,
    expires_at timestamptz GENERATED ALWAYS AS (
        timezone('UTC', timezone('UTC', registered_at)
            + make_interval(secs => coalesce(granted_expires, asked_expires)))
    ) STORED,
    latency_ms double precision GENERATED ALWAYS AS (
        CASE WHEN response_cseq = request_cseq AND response_at >= request_at
             THEN milliseconds(response_at - request_at) END
    ) STORED,

    PRIMARY KEY (call_id, aor)
) WITH (fillfactor = 70);

-- Not BRIN: rows stay where they are while their time goes on.
CREATE INDEX registration_last_at ON registration (last_at);
CREATE INDEX registration_aor ON registration (aor text_pattern_ops);
CREATE INDEX registration_contact ON registration (contact_user text_pattern_ops);
