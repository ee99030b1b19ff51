-- Who may use the web API: users, their sessions, API tokens, and the log of what they did.
--
-- Secrets are kept as hashes only: passwords as argon2id with its salt and parameters, the tokens of
-- sessions and of the API, which are random, as SHA-256. The web API's role may change users, sessions
-- and tokens; to the audit log it adds and never takes away: only the housekeeping
-- (retention.audit) deletes there.
-- Locks: none on existing data; creates tables.
-- Back: DROP TABLE audit_log, api_token, web_session, web_user.

CREATE TABLE web_user (
    id                    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username              text NOT NULL CHECK (username <> ''),
    password_hash         text,
    role                  text NOT NULL CHECK (role IN ('admin', 'support', 'user')),
    email                 text NOT NULL DEFAULT '',
    full_name             text NOT NULL DEFAULT '',
    enabled               boolean NOT NULL DEFAULT true,
    source                text NOT NULL DEFAULT 'internal'
                          CHECK (source IN ('internal', 'ldap', 'oauth2', 'http')),
    must_change_password  boolean NOT NULL DEFAULT false,
    created_at            timestamptz NOT NULL DEFAULT now(),
    password_changed_at   timestamptz,
    CHECK ((password_hash IS NOT NULL) = (source = 'internal'))
);

COMMENT ON COLUMN web_user.source IS 'Who checks the password; we do when it is internal.';

-- Anna and anna are one user.
CREATE UNIQUE INDEX web_user_username ON web_user (lower(username));

CREATE TABLE web_session (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_sha256     bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    user_id          integer NOT NULL REFERENCES web_user ON DELETE CASCADE,
    created_at       timestamptz NOT NULL DEFAULT now(),
    last_used_at     timestamptz NOT NULL DEFAULT now(),
    idle_expires_at  timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    address          inet NOT NULL,
    user_agent       text NOT NULL
);

CREATE INDEX web_session_user_id ON web_session (user_id);
CREATE INDEX web_session_expires_at ON web_session (expires_at);

CREATE TABLE api_token (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_sha256  bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    name          text NOT NULL CHECK (name <> ''),
    user_id       integer REFERENCES web_user ON DELETE CASCADE,
    scopes        text[] NOT NULL,
    networks      cidr[] NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL CHECK (expires_at > created_at),
    last_used_at  timestamptz
);

COMMENT ON COLUMN api_token.user_id IS 'Null: of a command on a host that has the database''s DSN, for minutes.';
COMMENT ON COLUMN api_token.networks IS 'Where it may be used from; empty for everywhere.';

CREATE INDEX api_token_user_id ON api_token (user_id);
CREATE INDEX api_token_expires_at ON api_token (expires_at);

CREATE TABLE audit_log (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    username  text NOT NULL,
    address   inet,
    action    text NOT NULL CHECK (action <> ''),
    subject   text NOT NULL DEFAULT '',
    detail    jsonb NOT NULL DEFAULT '{}'
);

COMMENT ON COLUMN audit_log.username IS 'As it was then; of a failed sign-in: as it was given.';
COMMENT ON COLUMN audit_log.address IS 'Null for commands on a host.';

CREATE INDEX audit_log_at ON audit_log (at);
CREATE INDEX audit_log_username ON audit_log (username, id);
CREATE INDEX audit_log_action ON audit_log (action, id);
