-- Registrations are found by the ten minutes of their last message instead of its µs.
--
-- Why: a phone that renews changes its row, and as long as no indexed column changes the new version
-- stays on its page and no index learns of it. An index on last_at made four index entries of every
-- REGISTER.
-- Locks: rewrites registration, a row per phone, which holds up its writers and readers meanwhile.
-- Back: CREATE INDEX registration_last_at ON registration (last_at);
--       ALTER TABLE registration DROP COLUMN last_period.

ALTER TABLE registration ADD COLUMN last_period integer NOT NULL GENERATED ALWAYS AS (
    floor(extract(epoch FROM timezone('UTC', last_at)) / 600)::integer
) STORED;

DROP INDEX registration_last_at;
CREATE INDEX registration_last_period ON registration (last_period);
