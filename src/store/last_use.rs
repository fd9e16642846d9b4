//! Last uses: the hour in which an access key, a long-term credential, a service account or a fixed
//! password was last used.
//!
//! Replicas write what each of them saw; the latest hour stays. Nothing waits for it, and no cache
//! holds it.

use crate::domain::last_use::{LastUse, UsedKind};

use super::part::{Guarded, Part};
use super::row::statements;

/// Writes the column `used_at` of a query: the last use of the thing of that kind and id.
macro_rules! used_at {
    ($kind:literal, $id:literal) => {
        concat!(
            "(SELECT last_use.used_at FROM last_use WHERE last_use.kind = '",
            $kind,
            "' AND last_use.thing_id = ",
            $id,
            ") AS used_at"
        )
    };
}
pub(super) use used_at;

statements! { "last_use";
    NOTE = "INSERT INTO last_use (kind, thing_id, used_at) VALUES ($1, $2, $3) \
            ON CONFLICT (kind, thing_id) DO UPDATE SET used_at = excluded.used_at \
            WHERE last_use.used_at < excluded.used_at";
    FORGET = "DELETE FROM last_use WHERE kind = $1 AND thing_id = $2";
    SWEEP_ACCESS_KEYS = "DELETE FROM last_use WHERE kind = 'access-key' AND NOT EXISTS (SELECT 1 \
                         FROM access_key WHERE access_key.id = last_use.thing_id AND \
                         access_key.state <> 'deleted')";
    SWEEP_CREDENTIALS = "DELETE FROM last_use WHERE kind = 'credential' AND NOT EXISTS (SELECT 1 \
                         FROM credential WHERE credential.id = last_use.thing_id)";
    SWEEP_FIXED_PASSWORDS = "DELETE FROM last_use WHERE kind = 'fixed-password' AND thing_id NOT \
                             IN (SELECT instance_id || '/' || principal FROM fixed_password \
                             WHERE hash IS NOT NULL)";
    SWEEP_SERVICE_ACCOUNTS = "DELETE FROM last_use WHERE kind = 'service-account' AND NOT EXISTS \
                              (SELECT 1 FROM service_account WHERE service_account.id = \
                              last_use.thing_id)";
}

/// Writes uses; where a later one is known, that stays. They come in the order of kind and id, so
/// that replicas that write at once don't block each other.
pub fn note(uses: &[LastUse]) -> Part {
    Part::of(uses.iter().map(|last| {
        let id = last.id.as_str().into();
        Guarded::unguarded(NOTE, vec![last.kind.name().into(), id, last.at.into()])
    }))
}

/// Forgets the use of a thing whose id another one gets now.
pub(super) fn forget(kind: UsedKind, id: &str) -> Guarded {
    Guarded::unguarded(FORGET, vec![kind.name().into(), id.into()])
}

/// Deletes the uses of what isn't there any more.
pub fn sweep() -> Part {
    let sweeps = [
        SWEEP_ACCESS_KEYS,
        SWEEP_CREDENTIALS,
        SWEEP_FIXED_PASSWORDS,
        SWEEP_SERVICE_ACCOUNTS,
    ];
    Part::of(sweeps.map(|statement| Guarded::unguarded(statement, Vec::new())))
}
