//! What both clouds' doors know of an operation: its exact name, and what its calls are counted under.

use crate::domain::Error;

/// Defines the operations of one area of a product, such as `operations! { "tcr": CreateInstanceToken }`.
macro_rules! operations {
    ($(#[$attribute:meta])* $product:literal: $($name:ident),+ $(,)?) => {
        /// What can be called.
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in super::super) enum Operation {
            $($name),+
        }

        impl Operation {
            /// Returns the operation of an action's exact name.
            pub(in super::super) fn named(action: &str) -> Option<Self> {
                match action {
                    $(stringify!($name) => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Returns the action's name.
            pub(in super::super) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// Returns the name that calls are counted under.
            pub(in super::super) fn throttle(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($product, ":", stringify!($name)),)+
                }
            }
        }
    };
}

pub(super) use operations;

/// The cloud has the action, and this service hasn't: nobody mistyped it.
pub(super) fn unserved(action: &str) -> Error {
    Error::unsupported(format!("{action} is not served by transire; docs/compatibility.md lists what is."))
}
