//! The steps of a difference, as they are shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::instance::{
    Algorithm, DefaultMark, KidFormat, RegistryKind, Specification, UnrecordedNamespaces,
};
use crate::domain::namespace::{Severity, Visibility};
use crate::domain::switch::Switch;

/// The way in which a step changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Makes it.
    Create,
    /// Changes fields of it.
    Update,
    /// Attaches a policy, or puts a user into a group.
    Attach,
    /// Takes a policy off, or a user out of a group.
    Detach,
    /// Deletes it.
    Delete,
}

/// A step from the service's state to the file's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// The way in which it changes the object.
    pub action: Action,
    /// The sort of object, such as `user`.
    pub noun: String,
    /// The id of the account that owns the object.
    pub account: String,
    /// The object's name; a namespace's is `INSTANCE/NAMESPACE`.
    pub name: String,
    /// The user, group or role of an attachment, such as `user alice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The fields that change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The field, as the file names it.
    pub field: String,
    /// The present value, or null.
    pub old: Value,
    /// The new value, or null.
    pub new: Value,
}

/// Gathers the fields that change.
#[derive(Default)]
pub(super) struct Changes(pub(super) Vec<Change>);

impl Changes {
    /// Notes a field of something that is made, or that goes.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "many callers give a value that they have just made"
    )]
    pub(super) fn note(&mut self, field: &str, old: impl Shown, new: impl Shown) {
        self.0.push(Change {
            field: field.to_owned(),
            old: old.shown(),
            new: new.shown(),
        });
    }

    /// Notes a field of something that is made, if the file names it.
    pub(super) fn given(&mut self, field: &str, value: &Option<impl Shown>) {
        if let Some(value) = value {
            self.note(field, (), value.shown());
        }
    }

    /// Notes a field whose wanted value isn't the present one, and returns the wanted one then.
    pub(super) fn compare<T: Shown + PartialEq>(
        &mut self,
        field: &str,
        present: &T,
        wanted: Option<T>,
    ) -> Option<T> {
        let wanted = wanted.filter(|wanted| wanted != present)?;
        self.note(field, present.shown(), wanted.shown());
        Some(wanted)
    }
}

/// A value with the form that it has in a step.
pub(super) trait Shown {
    /// Returns the form.
    fn shown(&self) -> Value;
}

impl Shown for () {
    fn shown(&self) -> Value {
        Value::Null
    }
}

impl Shown for Value {
    fn shown(&self) -> Value {
        self.clone()
    }
}

impl Shown for bool {
    fn shown(&self) -> Value {
        (*self).into()
    }
}

impl Shown for u32 {
    fn shown(&self) -> Value {
        (*self).into()
    }
}

impl Shown for usize {
    fn shown(&self) -> Value {
        (*self).into()
    }
}

impl Shown for String {
    fn shown(&self) -> Value {
        self.as_str().into()
    }
}

impl Shown for &str {
    fn shown(&self) -> Value {
        (*self).into()
    }
}

impl Shown for Switch {
    fn shown(&self) -> Value {
        self.is_on().into()
    }
}

impl Shown for Visibility {
    fn shown(&self) -> Value {
        (*self == Self::Public).into()
    }
}

impl Shown for DefaultMark {
    fn shown(&self) -> Value {
        (*self == Self::Marked).into()
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> Value {
        self.as_ref().map_or(Value::Null, Shown::shown)
    }
}

impl<T: Shown> Shown for Vec<T> {
    fn shown(&self) -> Value {
        self.iter().map(Shown::shown).collect()
    }
}

macro_rules! shown_by_name {
    ($($type:ty),*) => {
        $(impl Shown for $type {
            fn shown(&self) -> Value {
                self.name().into()
            }
        })*
    };
}

shown_by_name!(
    Algorithm,
    KidFormat,
    RegistryKind,
    Severity,
    Specification,
    UnrecordedNamespaces
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_noted_where_the_file_names_another_value() {
        let mut changes = Changes::default();
        assert_eq!(changes.compare("public", &Visibility::Private, None), None);
        let same = Some(Visibility::Private);
        assert_eq!(changes.compare("public", &Visibility::Private, same), None);
        assert!(changes.0.is_empty());
        let other = Some(Visibility::Public);
        assert_eq!(
            changes.compare("public", &Visibility::Private, other),
            other
        );
        let [change] = changes.0.try_into().unwrap();
        assert_eq!(change.field, "public");
        assert_eq!((change.old, change.new), (false.into(), true.into()));
    }
}
