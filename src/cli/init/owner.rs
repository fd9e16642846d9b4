//! The user who runs the service.

use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::str::FromStr;

use crate::domain::{Error, Result};

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) name: String,
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Owner {
    /// Tells whether it is the user of this process.
    pub(super) fn is_this_process(&self) -> bool {
        // Linux keeps this folder under the effective user.
        std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == self.user)
    }

    /// Gives it a file or a folder that was just made.
    pub(super) fn take(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.user), Some(self.group))
    }

    /// Gives its group a file that was just made.
    pub(super) fn share(&self, path: &Path) -> io::Result<()> {
        chown(path, None, Some(self.group))
    }
}

/// Finds a user in the text of `/etc/passwd`.
fn find(passwd: &str, name: &str) -> Option<Owner> {
    let fields = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    fields
        .filter(|fields| fields.first() == Some(&name))
        .find_map(|fields| {
            Some(Owner {
                name: name.to_owned(),
                user: fields.get(2)?.parse().ok()?,
                group: fields.get(3)?.parse().ok()?,
            })
        })
}

impl FromStr for Owner {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        find(&passwd, name).ok_or_else(|| {
            Error::invalid_parameter(
                "owner",
                "there is no such user in /etc/passwd: make it first, such as with useradd \
                 --system transire",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\ntransire:x:990:991::/:/usr/sbin/nologin\n";
        let found = find(passwd, "transire").unwrap();
        assert_eq!((found.user, found.group), (990, 991));
        for name in ["trans", "", "x", "990", "transire:x"] {
            assert_eq!(find(passwd, name), None, "{name}");
        }
    }
}
