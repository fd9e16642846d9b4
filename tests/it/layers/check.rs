//! The check of one file against the tables.

use std::collections::BTreeSet;
use std::path::Path;

use super::paths::{UsedPath, is_of_tests, module, paths, resolve};
use super::rules::{HANDED_ON, IMPURE, PARTS, Part, Purity, ROOMS, Room, SIGNERS};
use crate::harness::sources::blank_out;

/// A file in its room, and in its part of a room whose parts have rules.
struct Place {
    room: &'static Room,
    part: Option<(String, &'static Part)>,
}

/// Returns the lines of a file that break a rule, and which.
pub(super) fn check(file: &Path, text: &str, crates: &BTreeSet<String>) -> Vec<(usize, String)> {
    let module = module(file);
    let Some(name) = module.first() else {
        return Vec::new();
    };
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![(1, unknown(format_args!("`{name}` is no room")))];
    };
    if module.iter().any(|part| is_of_tests(part)) {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    let mut place = Place { room, part: None };
    if let Some(name) = module.get(1).filter(|_| has_parts(room)) {
        match part_of(room, name) {
            Some(part) => place.part = Some((name.clone(), part)),
            None => complaints.push((
                1,
                unknown(format_args!("`{name}` is no part of `{}`", room.name)),
            )),
        }
    }
    let code = blank_out(text);
    for path in paths(&code) {
        let complaint = match resolve(&module, &path.segments) {
            Some(absolute) => place.reaches(&path, &absolute),
            None => place.uses_crate(path.segments[0].as_str(), crates),
        };
        let line = code[..path.at].matches('\n').count() + 1;
        complaints.extend(complaint.map(|complaint| (line, complaint)));
    }
    for (number, line) in code.lines().enumerate() {
        let found = place.breaks(line).into_iter();
        complaints.extend(found.map(|complaint| (number + 1, complaint)));
    }
    complaints
}

fn unknown(what: std::fmt::Arguments<'_>) -> String {
    format!("{what} that the test knows: give it a row")
}

fn has_parts(room: &Room) -> bool {
    PARTS.iter().any(|part| part.room == room.name)
}

fn part_of(room: &Room, name: &str) -> Option<&'static Part> {
    PARTS
        .iter()
        .find(|part| part.room == room.name && part.names.contains(&name))
}

impl Place {
    /// Complains of a path of ours that leads where this place may not reach.
    fn reaches(&self, path: &UsedPath, absolute: &[String]) -> Option<String> {
        let other = absolute.first()?.as_str();
        ROOMS.iter().find(|room| room.name == other)?;
        let room = self.room;
        if other == room.name {
            return self.reaches_inside(absolute.get(1)?);
        }
        if !room.ours.contains(&other) {
            return Some(format!("`{}` may not use `{other}`", room.name));
        }
        (path.is_handed_on && !HANDED_ON.contains(&(room.name, other)))
            .then(|| format!("`{}` may not hand on items of `{other}`", room.name))
    }

    /// Complains of a part, or an item of the room's face, that this part may not use.
    fn reaches_inside(&self, used: &str) -> Option<String> {
        let room = self.room.name;
        let (name, part) = self.part.as_ref()?;
        if part_of(self.room, used).is_some() {
            return (name != used && !part.ours.contains(&used))
                .then(|| format!("in `{room}`, `{name}` may not use `{used}`"));
        }
        (room == "service" && !part.ours.contains(&"face"))
            .then(|| format!("in `service`, `{name}` may not use `{used}` of the face"))
    }

    fn uses_crate(&self, name: &str, crates: &BTreeSet<String>) -> Option<String> {
        (crates.contains(name) && !self.room.others.contains(&name))
            .then(|| format!("`{}` may not use the crate `{name}`", self.room.name))
    }

    /// Returns the rules that a line breaks, besides those about paths.
    fn breaks(&self, line: &str) -> Vec<String> {
        let room = self.room.name;
        let mut complaints = Vec::new();
        if self.room.purity == Purity::Pure {
            let found = IMPURE.iter().filter(|impure| line.contains(*impure));
            complaints
                .extend(found.map(|impure| format!("`{room}` is pure and may not use `{impure}`")));
        }
        if !["store", "token"].contains(&room) && line.contains("Wrapped::from_bytes") {
            complaints.push(format!(
                "`{room}` wraps no secrets and reads none: `Wrapped::from_bytes`"
            ));
        }
        if room == "http" {
            let found = SIGNERS.iter().filter(|signer| line.contains(*signer));
            complaints.extend(found.map(|signer| {
                format!("`http` checks signatures and doesn't make them: `{signer}`")
            }));
        }
        complaints
    }
}
