-- Used by: every read: one consistent snapshot.
BEGIN;
