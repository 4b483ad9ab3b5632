-- Used by: conn_get_space: pages that hold nothing.
PRAGMA freelist_count;
