//! The version of the program, and the commit that it was built from. `build.rs` finds the commit.

/// The version, as `Cargo.toml` has it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, with `-modified` where the sources differed from it. Debug builds, and builds of
/// sources without a repository, have none.
pub const COMMIT: Option<&str> = option_env!("BUILD_COMMIT");

/// The version, and the commit in brackets where there is one: `0.1.0 (0a1b2c3d4e5f)`.
pub const BUILD: &str = env!("BUILD_VERSION");
