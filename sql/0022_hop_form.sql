-- Which form of the hop the ingest processes of a node run: a node that decodes in plain Python takes
-- many times as long for a message, and nothing else would show it.
--
-- Locks: ACCESS EXCLUSIVE on capture_node for a moment; a constant default rewrites nothing.
-- Back: ALTER TABLE capture_node DROP COLUMN plain_hops.

ALTER TABLE capture_node ADD COLUMN plain_hops integer NOT NULL DEFAULT 0;

COMMENT ON COLUMN capture_node.plain_hops IS
    'Ingest processes whose hop is not compiled; see python -m collector doctor.';
