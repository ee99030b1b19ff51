-- HOMER's API: what its user interface keeps with the service, and the secret that signs its tokens.
--
-- Settings of all users (HOMER calls them advanced), settings of one user, among them the dashboards,
-- changed mappings, and agents that have subscribed are documents: HOMER's clients put into them
-- what they like, and nothing here is searched by what is in them. The secret is made here, so that
-- no two installations and no program has the same; whoever has it cannot sign in with it alone
-- (webapi/access/json_web_token.py).
-- Locks: none on existing data; creates tables.
-- Back: DROP TABLE homer_agent, homer_mapping, homer_user_setting, homer_setting, homer_user,
-- web_secret.

CREATE TABLE web_secret (
    name    text PRIMARY KEY,
    secret  bytea NOT NULL CHECK (length(secret) = 32)
);

-- Each UUID has 122 random bits of the server's strong generator.
INSERT INTO web_secret VALUES (
    'json_web_token',
    sha256(convert_to(
        gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'
    ))
);

CREATE TABLE homer_user (
    user_id     integer PRIMARY KEY REFERENCES web_user ON DELETE CASCADE,
    department  text NOT NULL
);

COMMENT ON TABLE homer_user IS 'What HOMER knows of a user beside web_user.';

CREATE TABLE homer_setting (
    guid      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    partid    integer NOT NULL,
    category  text NOT NULL CHECK (category <> ''),
    param     text NOT NULL CHECK (param <> ''),
    data      jsonb NOT NULL
);

INSERT INTO homer_setting (partid, category, param, data) VALUES
    (1, 'search', 'transaction', '{"tabpositon": "flow", "lookup_range": [-300, 200]}'),
    (1, 'export', 'transaction', '{"openwindow": false, "tabpositon": "flow"}');

CREATE TABLE homer_user_setting (
    id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    guid      uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    user_id   integer NOT NULL REFERENCES web_user ON DELETE CASCADE,
    partid    integer NOT NULL,
    category  text NOT NULL CHECK (category <> ''),
    param     text NOT NULL CHECK (param <> ''),
    data      jsonb NOT NULL
);

COMMENT ON TABLE homer_user_setting IS 'The category dashboard has the dashboards, param their names.';

CREATE INDEX homer_user_setting_user_id ON homer_user_setting (user_id, category);
CREATE UNIQUE INDEX homer_user_setting_dashboard ON homer_user_setting (user_id, param)
    WHERE category = 'dashboard';

CREATE TABLE homer_mapping (
    guid      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind      text NOT NULL CHECK (kind IN ('protocol', 'hepsub')),
    hepid     integer NOT NULL,
    profile   text NOT NULL CHECK (profile <> ''),
    document  jsonb NOT NULL,
    UNIQUE (kind, hepid, profile)
);

COMMENT ON COLUMN homer_mapping.kind IS 'protocol: how forms and results look; hepsub: what agents are asked.';

CREATE TABLE homer_agent (
    guid         uuid PRIMARY KEY,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    document     jsonb NOT NULL
);
