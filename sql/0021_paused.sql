-- Since when an operator wants a capture node to store nothing, for the API.
--
-- Locks: capture_node, for a moment: a column that may be null touches no row.
-- Back: ALTER TABLE capture_node DROP COLUMN paused_at.

ALTER TABLE capture_node ADD COLUMN paused_at timestamptz;
