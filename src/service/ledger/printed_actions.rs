//! The audit's actions as events and `docs/audit.md` have them.

use serde::{Serialize, Serializer};

use crate::service::ledger::actions::AuditAction;

impl AuditAction {
    /// Returns the table of [`Self::ALL`] in `docs/audit.md`.
    pub fn document() -> String {
        let row = |action: &Self| {
            let [meaning, cause, detail] = action.described();
            format!("| `{}` | {meaning} | {cause} | {detail} |\n", action.name())
        };
        let rows: String = Self::ALL.iter().map(row).collect();
        format!("| action | meaning | caused by | fields of `detail` |\n|---|---|---|---|\n{rows}")
    }
}

impl Serialize for AuditAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
