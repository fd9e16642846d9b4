-- Who made a service account, who disabled what logs in, and what an account lets its users give.
-- The same columns as migrations/postgres/0011_own_rights.sql.

-- Without one, as the settings say.
ALTER TABLE account ADD COLUMN service_account_grant TEXT;

-- Without one: the operator made it, or an earlier release did.
ALTER TABLE service_account ADD COLUMN maker TEXT;
-- The numeric ids of all principals that it came from, each between commas: the maker's, and those that its session came from.
ALTER TABLE service_account ADD COLUMN maker_ids TEXT NOT NULL DEFAULT '';
-- Raised by every change, so that what was decided on an older state is not written.
ALTER TABLE service_account ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- At which level it was disabled; without one it is enabled, or an earlier release disabled it.
ALTER TABLE service_account ADD COLUMN disabled_by TEXT;
ALTER TABLE credential ADD COLUMN disabled_by TEXT;
