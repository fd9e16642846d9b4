//! The table of an API's operations.

use crate::domain::Error;

/// Defines the operations of a cloud's API, each with the function that handles it and whether it
/// only reads: `CreateInstanceToken => tcr::tokens::create, Change`.
///
/// The one that is asked for most goes first and runs in place. The others are boxed, so that its
/// future stays small. The operations of `beside` have no action to be named by: each has its own
/// name for the log and the name that its calls are counted under.
macro_rules! operations {
    (
        $call:ident;
        $hot_product:literal: $hot:ident => $hot_handler:path, $hot_purpose:ident;
        $($product:literal { $($name:ident => $handler:path, $purpose:ident;)+ })+
        $(beside $beside_product:literal {
            $(
                $other:ident: $other_name:literal as $other_counted:literal
                    => $other_handler:path, $other_purpose:ident;
            )+
        })?
    ) => {
        /// An operation of this API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Operation {
            $hot,
            $($($name,)+)+
            $($($other,)+)?
        }

        impl Operation {
            const ALL: &[Self] = &[Self::$hot, $($(Self::$name,)+)+ $($(Self::$other,)+)?];

            /// All rows, by their index.
            pub(super) const ROWS: &[crate::http::request::OperationRow] = &[
                crate::http::door::operations::row!($hot, $hot_product, $hot_purpose),
                $($(crate::http::door::operations::row!($name, $product, $purpose),)+)+
                $($(crate::http::request::OperationRow {
                    index: Operation::$other as usize,
                    action: None,
                    product: $beside_product,
                    name: $other_name,
                    counted_as: $other_counted,
                    purpose: crate::service::Purpose::$other_purpose,
                },)+)?
            ];

            /// Returns what the table says of it.
            pub(super) fn row(self) -> &'static crate::http::request::OperationRow {
                &Self::ROWS[self as usize]
            }

            /// Returns the operation of an action's exact name.
            pub(super) fn named(product: &str, action: &str) -> Option<Self> {
                let is_meant = |row: &crate::http::request::OperationRow| {
                    row.action == Some(action) && row.product == product
                };
                Self::ALL.get(Self::ROWS.iter().position(is_meant)?).copied()
            }

            /// Runs the operation.
            ///
            /// # Errors
            ///
            /// Those of its handler.
            pub(super) async fn run(
                self,
                call: $call<'_>,
            ) -> crate::domain::Result<axum::response::Response> {
                match self {
                    Self::$hot => $hot_handler(call).await,
                    $($(Self::$name => Box::pin($handler(call)).await,)+)+
                    $($(Self::$other => Box::pin($other_handler(call)).await,)+)?
                }
            }
        }
    };
}

macro_rules! row {
    ($name:ident, $product:literal, $purpose:ident) => {
        crate::http::request::OperationRow {
            index: Operation::$name as usize,
            action: Some(stringify!($name)),
            product: $product,
            name: stringify!($name),
            counted_as: concat!($product, ":", stringify!($name)),
            purpose: crate::service::Purpose::$purpose,
        }
    };
}

pub(crate) use {operations, row};

/// The cloud has the action, and this service hasn't: it is no typing error.
pub(crate) fn unserved(action: &str) -> Error {
    Error::unsupported(format!(
        "{action} is not served by transire; docs/compatibility.md lists what is."
    ))
}
