//! The settings, for who writes them.

use clap::Subcommand;

use super::output::{Output, warn};
use crate::config::Loaded;
use crate::domain::{Error, Result};
use crate::serve;
use crate::views::view;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a settings file that has every setting, its meaning and its default, commented out.
    Example,
    /// Check the settings of the file and the environment, and the files that they name, as `serve`
    /// does at its start; nothing is changed, and no server is asked.
    Check {
        /// Print every setting, with its value and the place that sets it. Secrets are not shown.
        #[arg(long)]
        print: bool,
    },
}

view! {
    /// A setting as it is in effect.
    struct Effective {
        /// Its path.
        setting: String,
        /// Its value.
        value: String,
        /// The file and the line, the variable or the argument that sets it; or `default`.
        from: String,
    }
}

/// Prints the example.
///
/// # Errors
/// Those of the output.
pub(super) fn example(output: &Output) -> Result<()> {
    output.text(&crate::config::example())
}

/// Runs a command about settings that were read.
///
/// # Errors
/// `Misconfigured` with all that `serve` would refuse; those of the output.
pub(super) fn run(command: &Command, loaded: &Loaded, output: &Output) -> Result<()> {
    let Command::Check { print } = command else {
        return example(output);
    };
    let settings = &loaded.settings;
    if *print {
        output.list(loaded.effective().into_iter().map(|setting| Effective {
            setting: setting.path,
            value: setting.value,
            from: setting.origin,
        }))?;
    }
    let findings = serve::check(settings);
    for warning in findings.warnings {
        warn(warning);
    }
    if !findings.refusals.is_empty() {
        let refusals: Vec<_> = findings
            .refusals
            .iter()
            .map(|refusal| refusal.message().to_owned())
            .collect();
        return Err(Error::misconfigured(refusals.join("\n")));
    }
    if *print {
        return Ok(());
    }
    output.show(vec![
        ("public_url", settings.public_url.clone().into()),
        ("listen", settings.listen.address().to_string().into()),
        ("data_dir", settings.data_dir.display().to_string().into()),
    ])
}
