//! The name of an instance, or of a repository of it.

use std::fmt;
use std::str::FromStr;

use crate::domain::reference::InstanceRef;
use crate::domain::{Error, Result};
use crate::service::{Permission, Question};

/// An instance, or a repository of it, as `INSTANCE/team/app`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceName {
    instance: InstanceRef,
    path: String,
}

impl FromStr for ResourceName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (instance, path) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self {
            instance: instance.parse()?,
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => self.instance.fmt(f),
            path => write!(f, "{}/{path}", self.instance),
        }
    }
}

impl ResourceName {
    /// Asks about a permission on it.
    pub(super) fn question(self, permission: Permission) -> Question {
        Question::new(permission, self.instance.into(), &self.path)
    }
}
