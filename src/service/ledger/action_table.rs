//! The form of the table of the audit's actions.

/// Defines the actions: `Variant = "wire name": "meaning", by "operations and commands", detail
/// "fields"`.
macro_rules! actions {
    (
        $($variant:ident = $name:literal:
            $meaning:literal, by $cause:literal, detail $detail:literal;)+
    ) => {
        /// The action of an audit event, in this service's words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum AuditAction {
            $(#[doc = $meaning] $variant,)+
            /// A refused call of an operation of an API, as its product and name:
            /// `tcr:CreateInstanceToken`.
            Operation(&'static str),
        }

        impl AuditAction {
            /// All of them, but for [`Self::Operation`], of which each API has its own.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the name that events and `transire audit list --action` have.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Operation(name) => name,
                }
            }

            /// Returns the meaning, the causes and the fields of the detail.
            pub(super) fn described(self) -> [&'static str; 3] {
                match self {
                    $(Self::$variant => [$meaning, $cause, $detail],)+
                    Self::Operation(_) => [
                        "A call of this operation was refused.",
                        "the operation",
                        "`cause`, `claimed`",
                    ],
                }
            }
        }
    };
}
pub(super) use actions;
