//! Stores as earlier releases left them.

use rusqlite::Connection;

use crate::harness::App;

/// The statements that take back the migrations from the thirteenth on.
const SINCE_13: &str = "
    ALTER TABLE instance DROP COLUMN token_log_in;
    ALTER TABLE instance DROP COLUMN ecr_host;
    ALTER TABLE instance DROP COLUMN credential_room;
    ALTER TABLE instance DROP COLUMN credential_quota;
    CREATE INDEX operation_by_time ON operation (applied_at);
    DROP TABLE refused_subject;
    ALTER TABLE role DROP COLUMN revoked_at;
    DROP TABLE sso_session;
    DROP TABLE notice;
    DROP INDEX credential_by_end;
    DROP INDEX credential_by_older_end;
    DROP INDEX service_account_by_end;
    DROP INDEX service_account_by_older_end;
    DROP INDEX fixed_password_by_end;
    DROP TABLE activity;
    DROP TABLE console_session;
    DROP TABLE operator;
    DROP TABLE last_use;
    ALTER TABLE credential DROP COLUMN older_secret_hash;
    ALTER TABLE credential DROP COLUMN older_secret_ends_at;
    ALTER TABLE service_account DROP COLUMN older_made_hash;
    ALTER TABLE service_account DROP COLUMN older_chosen_hash;
    ALTER TABLE service_account DROP COLUMN older_secret_ends_at;
    ALTER TABLE audit DROP COLUMN writer;
    ALTER TABLE audit DROP COLUMN position;
    ALTER TABLE audit DROP COLUMN previous;
    ALTER TABLE audit_page DROP COLUMN digests;
    ALTER TABLE audit_page DROP COLUMN writer;
    ALTER TABLE audit_page DROP COLUMN position;
    ALTER TABLE audit_page DROP COLUMN previous;
    ALTER TABLE repository DROP COLUMN tag_exclusions;
    ALTER TABLE repository DROP COLUMN scan_on_push;
    ALTER TABLE repository DROP COLUMN tags;
    ALTER TABLE repository DROP COLUMN lifecycle_policy;
    ALTER TABLE repository DROP COLUMN lifecycle_evaluated_at;
    ALTER TABLE repository DROP COLUMN policy;
    DROP TABLE audit_writer;
    DROP TABLE audit_key;
    DROP TABLE audit_checkpoint;
    DROP INDEX audit_page_wide;
    DROP INDEX audit_page_by_time;
    ALTER TABLE audit_page DROP COLUMN terms;
    ALTER TABLE audit DROP COLUMN access_key;
    CREATE INDEX audit_page_by_time ON audit_page (first_at, id, last_at, bytes, contents);
    CREATE INDEX audit_page_wide ON audit_page (last_at, first_at, id, bytes, contents);
    DROP INDEX fixed_password_old_name;
    ALTER TABLE fixed_password DROP COLUMN old_name;
    ALTER TABLE fixed_password DROP COLUMN expires_at;
";

/// Takes back the migrations from a number on, which is 13 or less. `earlier` takes back those
/// before the thirteenth. The app's audit is closed.
pub(crate) fn downgrade(app: &App, number: u32, earlier: &str) {
    let database = Connection::open(app.database()).unwrap();
    let forget = format!("DELETE FROM schema_version WHERE number >= {number};");
    database
        .execute_batch(&format!("{SINCE_13}{earlier}{forget}"))
        .unwrap();
}
