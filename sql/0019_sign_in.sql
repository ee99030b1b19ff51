-- People whom another system knows: by what it calls them for ever.
--
-- A provider of OpenID Connect names a person by issuer and subject (OpenID Connect Core 1.0 §2), since
-- names and e-mail addresses are given to others in time. Users of LDAP and HTTP authentication are
-- known by their names and have none of the two.
-- Locks: web_user, for the moment that adding columns with a constant default takes.
-- Back: ALTER TABLE web_user DROP COLUMN issuer, DROP COLUMN subject.

ALTER TABLE web_user
    ADD COLUMN issuer text NOT NULL DEFAULT '',
    ADD COLUMN subject text NOT NULL DEFAULT '',
    ADD CHECK ((issuer <> '') = (subject <> '')),
    ADD CHECK (subject = '' OR source = 'oauth2');

CREATE UNIQUE INDEX web_user_issuer_subject ON web_user (issuer, subject) WHERE subject <> '';
