-- Names for addresses, searches that people keep, and links to one call for people without a user.
--
-- An alias names an address or a network, for a port or a capture node only if it says so. Every
-- process of the web API keeps the aliases in memory; alias_version says when they are others: a
-- trigger counts it on, so that nobody who changes the table can forget to. Saved searches and links
-- go with their user. Of a link's token, which is random, only the SHA-256 is kept.
-- Locks: none on existing data; creates tables.
-- Back: DROP TABLE share_link, saved_search, alias, alias_version; DROP FUNCTION count_alias_version.

CREATE TABLE alias (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    guid          uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    name          text NOT NULL CHECK (name <> ''),
    network       cidr NOT NULL,
    port          integer NOT NULL DEFAULT 0 CHECK (port BETWEEN 0 AND 65535),
    capture_node  text NOT NULL DEFAULT '',
    type          text NOT NULL DEFAULT '',
    capture_id    text NOT NULL DEFAULT '',
    enabled       boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    changed_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (network, port, capture_node, capture_id)
);

COMMENT ON COLUMN alias.guid IS 'How HOMER''s API names it.';
COMMENT ON COLUMN alias.port IS '0: every port.';
COMMENT ON COLUMN alias.capture_node IS 'Only for what this node captured; empty: every node.';
COMMENT ON COLUMN alias.type IS 'What sort of host it is, for people; decides nothing.';
COMMENT ON COLUMN alias.capture_id IS 'HOMER''s captureID as it was given; decides nothing.';

CREATE INDEX alias_name ON alias (name);
CREATE INDEX alias_network ON alias USING gist (network inet_ops);

CREATE TABLE alias_version (
    number  bigint NOT NULL
);
INSERT INTO alias_version VALUES (0);

CREATE FUNCTION count_alias_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE alias_version SET number = number + 1;
    RETURN NULL;
END
$$;

CREATE TRIGGER alias_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON alias
    FOR EACH STATEMENT EXECUTE FUNCTION count_alias_version();

CREATE TABLE saved_search (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     integer NOT NULL REFERENCES web_user ON DELETE CASCADE,
    name        text NOT NULL CHECK (name <> ''),
    kind        text NOT NULL CHECK (kind IN ('calls', 'messages', 'registrations')),
    parameters  jsonb NOT NULL CHECK (jsonb_typeof(parameters) = 'object'),
    shared      boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    changed_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, kind, name)
);

COMMENT ON COLUMN saved_search.parameters IS 'As the URL of the search has them.';

CREATE INDEX saved_search_shared ON saved_search (id) WHERE shared;

CREATE TABLE share_link (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_sha256  bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    user_id       integer NOT NULL REFERENCES web_user ON DELETE CASCADE,
    call_ids      text[] NOT NULL CHECK (cardinality(call_ids) > 0),
    message_ids   bigint[] CHECK (cardinality(message_ids) > 0),
    may_export    boolean NOT NULL DEFAULT false,
    note          text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL CHECK (expires_at > created_at),
    last_used_at  timestamptz,
    uses          integer NOT NULL DEFAULT 0
);

COMMENT ON COLUMN share_link.call_ids IS 'The call''s first, then the legs that belonged to it when the link was made.';
COMMENT ON COLUMN share_link.message_ids IS 'The messages that are shown; null: all.';

CREATE INDEX share_link_user_id ON share_link (user_id);
CREATE INDEX share_link_expires_at ON share_link (expires_at);
