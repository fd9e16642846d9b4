//! Chinese: the labels of the API's names.

mod labels;

pub(super) use self::labels::label;
