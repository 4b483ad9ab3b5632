-- Used by: every change.
BEGIN IMMEDIATE;
