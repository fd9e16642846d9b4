//! What both clouds' doors know of an operation: its exact name, what its calls are counted under, and what it runs with.

use crate::domain::Error;
use crate::service::{Caller, Service};

/// A call whose caller is proved: what an operation runs with.
#[derive(Clone, Copy)]
pub(super) struct Proved<'a, P, V> {
    pub(super) service: &'a Service,
    pub(super) caller: &'a Caller,
    /// The action's own, as its dialect reads them.
    pub(super) parameters: P,
    pub(super) visit: &'a V,
}

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
/// Beside it stands which `Proved` call they run with.
macro_rules! areas {
    ($first:ident: $first_module:ident, $($area:ident: $module:ident),+ $(,)?) => {
        /// What can be called, by what it is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Operation {
            $first($first_module::Operation),
            $($area($module::Operation)),+
        }

        impl Operation {
            /// Returns the operation of an action's exact name.
            pub(super) fn named(action: &str) -> Option<Self> {
                $first_module::Operation::named(action).map(Self::$first)
                    $(.or_else(|| $module::Operation::named(action).map(Self::$area)))+
            }

            /// Returns the name for the log.
            pub(super) fn name(self) -> &'static str {
                match self {
                    Self::$first(operation) => operation.name(),
                    $(Self::$area(operation) => operation.name(),)+
                }
            }

            /// Returns the name that calls are counted under.
            pub(super) fn throttle(self) -> &'static str {
                match self {
                    Self::$first(operation) => operation.throttle(),
                    $(Self::$area(operation) => operation.throttle(),)+
                }
            }

            /// Runs the operation.
            pub(super) async fn run(self, call: Proved<'_>) -> crate::domain::Result<axum::response::Response> {
                match self {
                    Self::$first(operation) => operation.run(call).await,
                    // Apart, like all that is asked for seldom: the future of the first stays small.
                    $(Self::$area(operation) => Box::pin(operation.run(call)).await,)+
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
