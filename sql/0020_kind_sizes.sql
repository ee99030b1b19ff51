-- What each kind of message occupies, minute by minute.
--
-- Retention measures every partition anyway, and says here by kind what it has found: the web API
-- would have to take a lock on each partition for it, and wait for those that are being dropped.
-- Null: a look from before this migration. Locks: retention_sample, for the moment that adding columns
-- without a default takes.
-- Back: ALTER TABLE retention_sample DROP COLUMN call_octets, DROP COLUMN registration_octets,
-- DROP COLUMN other_octets, DROP COLUMN report_octets, DROP COLUMN event_octets, DROP COLUMN record_octets.

ALTER TABLE retention_sample
    ADD COLUMN call_octets bigint,
    ADD COLUMN registration_octets bigint,
    ADD COLUMN other_octets bigint,
    ADD COLUMN report_octets bigint,
    ADD COLUMN event_octets bigint,
    ADD COLUMN record_octets bigint;
