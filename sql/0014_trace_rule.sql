-- Trace rules: which calls the production proxies trace, who asked for it, when and why.
--
-- The truth: the web API compares what the proxies have with these rows and mends it. It is the only
-- table that the web API's role may write to: rows are added, and ended once; what was asked for
-- never changes, and nobody but the housekeeping (retention.trace_rules) deletes. Ids are numbers of 32 bits
-- because the proxies keep them in their htables, and are never used again.
-- Locks: none on existing data; creates a table.
-- Back: DROP TABLE trace_rule. The proxies' rules end at their expiry.

CREATE TABLE trace_rule (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL,
    value         text NOT NULL,
    action        text NOT NULL CHECK (action IN ('include', 'exclude')),
    percent       numeric(5, 2) NOT NULL CHECK (percent BETWEEN 0.01 AND 100),
    calls         integer NOT NULL CHECK (calls >= 0),
    methods       text[] NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL CHECK (expires_at > created_at),
    requested_by  text NOT NULL CHECK (requested_by <> ''),
    reason        text NOT NULL CHECK (reason <> ''),
    ended_at      timestamptz,
    ended_by      text,
    ended         text CHECK (ended IN ('expired', 'removed')),
    CHECK ((ended_at IS NULL) = (ended IS NULL)),
    CHECK ((ended_by IS NOT NULL) = (ended IS NOT DISTINCT FROM 'removed'))
);

COMMENT ON COLUMN trace_rule.methods IS 'Methods of the first request; empty for all.';
COMMENT ON COLUMN trace_rule.calls IS 'Most calls that one proxy traces; 0 for an exclude.';

-- A proxy has one item for a kind and a value: a second rule would replace the first.
CREATE UNIQUE INDEX trace_rule_in_force ON trace_rule (kind, value) WHERE ended_at IS NULL;
CREATE INDEX trace_rule_expires_at ON trace_rule (expires_at);
CREATE INDEX trace_rule_ended_at ON trace_rule (ended_at) WHERE ended_at IS NOT NULL;
