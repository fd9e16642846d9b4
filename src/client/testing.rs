//! A home of a user, for the tests of what a client reads.

use std::fs;
use std::path::PathBuf;

use crate::client::environment::Environment;
use crate::domain::clock::{SystemRandom, random_bytes};

/// A folder that is removed at the end.
pub(super) struct Home(pub(super) PathBuf);

impl Home {
    pub(super) fn new() -> Self {
        let name = hex::encode(random_bytes::<8>(&SystemRandom));
        let folder = std::env::temp_dir().join(format!("transire-client-{name}"));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Returns the variables of this home's user, and these.
    pub(super) fn environment<const N: usize>(&self, variables: [(&str, &str); N]) -> Environment {
        let home = self.0.to_str().unwrap();
        Environment::from(variables).with("HOME", home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}
