//! Variables of the environment that are no settings.

use std::path::PathBuf;

/// Tells whether the user wants no colours, by the variable of no-color.org.
pub fn refuses_colours() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty())
}

/// Looks for the first of these programs on the path.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var("PATH").ok()?;
    let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| {
        places
            .iter()
            .map(|place| place.join(name))
            .find(|program| program.is_file())
    })
}
