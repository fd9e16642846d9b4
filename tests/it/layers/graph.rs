//! The graph of imports, and its circles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::paths::{is_of_tests, module, paths, resolve};
use crate::harness::sources::blank_out;

/// From a part of a folder to the parts of it that it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// Returns the circles of imports among the direct parts of each folder, parts of parts counted as
/// their own: each by the folder's path and the names of its members, sorted.
pub(super) fn circles(files: &[(PathBuf, String)]) -> Vec<(String, Vec<String>)> {
    let folders = uses_by_folder(files);
    let found = folders.iter().flat_map(|(folder, uses)| {
        let circles = circles_of(uses).into_iter();
        circles.map(|members| (folder.join("::"), members))
    });
    found.collect()
}

/// Returns which direct part of a folder uses which other, by the folder's path.
fn uses_by_folder(files: &[(PathBuf, String)]) -> BTreeMap<Vec<String>, Uses> {
    let modules: Vec<Vec<String>> = files.iter().map(|(file, _)| module(file)).collect();
    let known: BTreeSet<&[String]> = modules.iter().map(Vec::as_slice).collect();
    let mut folders: BTreeMap<Vec<String>, Uses> = BTreeMap::new();
    for ((_, text), user) in files.iter().zip(&modules) {
        if user.iter().any(|part| is_of_tests(part)) {
            continue;
        }
        for path in paths(&blank_out(text)) {
            let absolute = resolve(user, &path.segments);
            let Some(used) = absolute.as_deref().and_then(|path| file_of(path, &known)) else {
                continue;
            };
            let alike = user
                .iter()
                .zip(used)
                .take_while(|(one, other)| one == other);
            let common = alike.count();
            if let (Some(from), Some(to)) = (user.get(common), used.get(common)) {
                let uses = folders.entry(user[..common].to_vec()).or_default();
                uses.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    folders
}

/// Returns the module of the longest beginning of a path that is one.
fn file_of<'a>(path: &'a [String], known: &BTreeSet<&[String]>) -> Option<&'a [String]> {
    (1..=path.len())
        .rev()
        .map(|length| &path[..length])
        .find(|module| known.contains(module))
}

/// Returns the groups of parts of which each reaches every other.
fn circles_of(uses: &Uses) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<String>> = uses
        .keys()
        .map(|part| (part, reached(part, uses)))
        .collect();
    let mut done = BTreeSet::new();
    let mut found = Vec::new();
    for (part, reached) in &reach {
        if !reached.contains(*part) || !done.insert((*part).clone()) {
            continue;
        }
        let mates = reached
            .iter()
            .filter(|mate| reach.get(mate).is_some_and(|back| back.contains(*part)));
        let members: Vec<String> = mates.cloned().collect();
        done.extend(members.iter().cloned());
        found.push(members);
    }
    found
}

/// Returns the parts that one reaches by any number of steps.
fn reached(from: &String, uses: &Uses) -> BTreeSet<String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(part) = next.pop() {
        let used = uses.get(part).into_iter().flatten();
        next.extend(used.filter(|part| reached.insert((*part).clone())));
    }
    reached
}
