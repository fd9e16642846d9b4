//! Files that hold secrets: other users of the machine must not read or replace them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::domain::{Error, Result};

/// The rights of all users of the machine: read, write, enter.
const OTHERS: u32 = 0o007;
/// The rights of the file's group and of all users.
const GROUP_AND_OTHERS: u32 = 0o077;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
/// In a folder with this bit nobody replaces another's files, as in `/tmp`; Kubernetes mounts
/// secrets so.
const STICKY: u32 = 0o1000;

/// Fails when others could read a key file, or replace it. A file that can't be looked at passes,
/// because its reader says why.
///
/// A group may read a key, as where Kubernetes mounts a secret for a pod's `fsGroup`.
///
/// # Errors
/// `Misconfigured`, with what to do.
pub(crate) fn check_key(what: &str, path: &Path) -> Result<()> {
    let Some(mode) = mode(path) else {
        return Ok(());
    };
    if mode & OTHERS != 0 {
        return Err(Error::misconfigured(format!(
            "{what} {} can be read or changed by every user of this machine: chmod 600 it, or 640 \
             where a group must read it (Kubernetes: defaultMode: 0440). If others may have read \
             it, replace the key",
            path.display()
        )));
    }
    if mode & GROUP_WRITES != 0 {
        return Err(Error::misconfigured(format!(
            "{what} {} can be changed by its group: chmod 600 or 640 it",
            path.display()
        )));
    }
    // The folder of a link's target: a user who may write there can replace the key.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.parent().map_or(Ok(()), |folder| {
        check_folder(&format!("the folder of {what},"), folder)
    })
}

/// Fails when every user could put other files into a folder.
///
/// # Errors
/// `Misconfigured`, with what to do.
pub(crate) fn check_folder(what: &str, folder: &Path) -> Result<()> {
    match mode(folder) {
        Some(mode) if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 => {
            Err(Error::misconfigured(format!(
                "{what} {}, can be written by every user of this machine, who could put other \
                 files there: chmod o-w it",
                folder.display()
            )))
        }
        _ => Ok(()),
    }
}

/// Tells whether the file's group or all users may read it.
pub(crate) fn is_shared(path: &Path) -> bool {
    mode(path).is_some_and(|mode| mode & GROUP_AND_OTHERS != 0)
}

/// Tells whether all users may read it.
pub(crate) fn is_public(path: &Path) -> bool {
    mode(path).is_some_and(|mode| mode & OTHERS != 0)
}

fn mode(path: &Path) -> Option<u32> {
    path.metadata()
        .ok()
        .map(|metadata| metadata.permissions().mode())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::Permissions;

    use super::*;
    use crate::domain::ErrorKind;
    use crate::domain::clock::{SystemRandom, random_bytes};

    #[test]
    fn a_key_is_for_its_owner_and_perhaps_a_group_in_a_folder_where_nobody_replaces_it() {
        let folder = std::env::temp_dir().join(format!(
            "transire-files-{}",
            hex::encode(random_bytes::<8>(&SystemRandom))
        ));
        fs::create_dir(&folder).unwrap();
        let (key, link) = (folder.join("key"), folder.join("link"));
        fs::write(&key, "").unwrap();
        std::os::unix::fs::symlink(&key, &link).unwrap();
        let set =
            |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        for (folder_mode, mode, expected) in [
            (0o700, 0o600, ""),
            (0o755, 0o440, ""),
            (0o1777, 0o400, ""),
            (0o700, 0o644, "chmod 600"),
            (0o700, 0o602, "chmod 600"),
            (0o700, 0o660, "by its group"),
            (0o777, 0o600, "chmod o-w"),
            (0o773, 0o600, "chmod o-w"),
        ] {
            set(&folder, folder_mode);
            set(&key, mode);
            for path in [&key, &link] {
                match check_key("the key", path) {
                    Ok(()) => assert_eq!(expected, "", "{folder_mode:o} {mode:o}"),
                    Err(error) => {
                        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
                        assert!(
                            !expected.is_empty() && error.message().contains(expected),
                            "{folder_mode:o} {mode:o}: {error}"
                        );
                    }
                }
            }
        }
        assert!(
            check_key("the key", &folder.join("nothing")).is_ok(),
            "its reader says that it isn't there"
        );
        set(&folder, 0o700);
        fs::remove_dir_all(&folder).unwrap();
    }
}
