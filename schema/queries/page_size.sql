-- Used by: conn_get_space.
PRAGMA page_size;
