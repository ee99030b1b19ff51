-- Messages are found by number, address, user agent, status and method within a time range.
--
-- Why: until now only time and Call-ID had an index, so what is rare was found by reading every
-- message of the range. A B-tree on each of these columns costs more than the row itself. A BRIN
-- index has one entry for 128 pages, about a thousand messages: a Bloom filter of each column, and
-- for status the values themselves. It takes 2.5 bytes a message, is filled by the keeper every few
-- seconds instead of with every row, and takes the place of the index on time. ts is its first
-- column also because PostgreSQL judges a BRIN index by the best correlated of the columns that a
-- query uses: by user names alone it would not touch it. The sizes of the filters are the different
-- values that a thousand messages have; more of them make it slower, never wrong. Addresses have
-- more room: they are the same all day, so what one range takes for another, all of them do. Each
-- filter stays below 508 bytes, from where on PostgreSQL would try to compress it, and three entries
-- fit on a page.
-- Locks: every message table against writing while all its messages are read once, about one second
-- a million. With so many that this exceeds the time limit, run it with --no-time-limit while ingest is
-- paused; the journal keeps what comes. No row is written anew.
-- Back: DROP INDEX sip_message_call_search, sip_message_registration_search,
--       sip_message_other_search; and the three indexes of 0001 that end in _ts.

DO $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY '{call,registration,other}'::text[] LOOP
        EXECUTE format(
            $index$
            CREATE INDEX sip_message_%1$s_search ON sip_message_%1$s USING brin (
                ts,
                from_user text_bloom_ops (n_distinct_per_range = 200, false_positive_rate = 0.001),
                to_user text_bloom_ops (n_distinct_per_range = 200, false_positive_rate = 0.001),
                ruri_user text_bloom_ops (n_distinct_per_range = 220, false_positive_rate = 0.001),
                pai_user text_bloom_ops (n_distinct_per_range = 40, false_positive_rate = 0.001),
                auth_user text_bloom_ops (n_distinct_per_range = 40, false_positive_rate = 0.001),
                user_agent text_bloom_ops (n_distinct_per_range = 80, false_positive_rate = 0.001),
                method text_bloom_ops (n_distinct_per_range = 16, false_positive_rate = 0.001),
                src_ip inet_bloom_ops (n_distinct_per_range = 250, false_positive_rate = 0.001),
                dst_ip inet_bloom_ops (n_distinct_per_range = 250, false_positive_rate = 0.001),
                status int2_minmax_multi_ops
            ) WITH (pages_per_range = 128)
            $index$,
            kind
        );
        EXECUTE format('DROP INDEX sip_message_%s_ts', kind);
    END LOOP;
END
$$;
