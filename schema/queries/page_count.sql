-- Used by: conn_get_space, conn_use_as_writer.
PRAGMA page_count;
