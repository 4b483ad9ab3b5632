-- Used by: every read: one consistent view.
BEGIN;
