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

/// Gathers the operations of a product's areas, each a module with an `Operation` of its own; the most asked for first.
macro_rules! areas {
    ($($area:ident: $module:ident),+ $(,)?) => {
        /// What can be called, by what it is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Operation {
            $($area($module::Operation)),+
        }

        impl Operation {
            /// Returns the operation of an action's exact name.
            pub(super) fn named(action: &str) -> Option<Self> {
                None$(.or_else(|| $module::Operation::named(action).map(Self::$area)))+
            }

            /// Returns the name for the log.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$area(operation) => operation.name(),)+
                }
            }

            /// Returns the name that calls are counted under.
            pub(super) fn throttle(self) -> &'static str {
                match self {
                    $(Self::$area(operation) => operation.throttle(),)+
                }
            }
        }
    };
}

pub(super) use {areas, operations};

/// The cloud has the action, and this service hasn't: nobody mistyped it.
pub(super) fn unserved(action: &str) -> Error {
    Error::unsupported(format!("{action} is not served by transire; docs/compatibility.md lists what is."))
}
