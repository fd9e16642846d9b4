//! The reasons why the service would not start, found without starting it.

use super::tls::Tls;
use super::{check_transport, public_url_faults};
use crate::config::Settings;
use crate::domain::{Error, Result};
use crate::{open, service};

/// Faults of settings, and of the files that they name.
#[derive(Debug, Default)]
pub struct Findings {
    /// The reasons why [`serve`](super::serve) would refuse to start.
    pub refusals: Vec<Error>,
    /// Doubts that it would log.
    pub warnings: Vec<String>,
}

impl Findings {
    fn note(&mut self, checked: Result<()>) {
        self.refusals.extend(checked.err());
    }
}

/// Looks for the reasons why the service would not start. Nothing is made, and no server is asked:
/// a database that is away, or an address that is taken, isn't found.
pub fn check(settings: &Settings) -> Findings {
    let mut findings = Findings::default();
    let listen = settings.listen.address();
    findings.note(check_transport(settings, listen));
    findings.note(Tls::load(&settings.tls).map(drop));
    for checked in open::check(settings) {
        findings.note(checked);
    }
    if let Some(shared) = open::shared_settings(settings) {
        findings.note(service::check_shared(&shared));
    }
    findings.warnings = public_url_faults(settings, listen);
    if let Some(file) = &settings.outgoing.ca_file
        && let Err(error) = std::fs::File::open(file)
    {
        // It is read at its first use.
        findings.warnings.push(format!(
            "outgoing.ca_file: {} can't be read: {error}",
            file.display()
        ));
    }
    findings
}
