//! The state that a file describes, in TOML: accounts, and what is in them.
//!
//! The form is that of a declaration: it says what there is, never how it comes about. [`apply`]
//! makes a service so, and shows the steps first or alone; [`export`] writes such a file. A mock's
//! seed is one, too. Texts go in and out, and no paths, so that an API can do the same.

mod deed;
mod format;
mod instance;
mod plan;
mod present;
mod source;
mod step;
mod write;

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use self::deed::Maker;
use self::format::Content;
use self::plan::{Plan, plan};
use self::source::Source;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::service::{Call, Caller, RequestContext, Service};

pub use self::step::{Action, Change, Step};
pub use self::write::export;

/// The bytes of a file.
pub const MAX_BYTES: usize = 32 << 20;

/// The state that a file describes.
pub struct State {
    content: Content,
    source: Source,
    /// Whether it may have access keys with their secrets.
    is_seed: bool,
}

/// The choices of one [`apply`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Whether the steps are planned and none is made.
    pub dry_run: bool,
    /// Whether objects are deleted that the file doesn't name, in the accounts that it names.
    pub prune: bool,
    /// With `prune`, whether empty instances are deleted, too.
    pub prune_instances: bool,
    /// The [`Report::fingerprint`] of the only steps that may be made.
    pub fingerprint: Option<String>,
}

/// The outcome of one [`apply`].
#[derive(Debug, Serialize)]
pub struct Report {
    /// The steps, in their order.
    pub steps: Vec<Step>,
    /// The number of steps that were made: the first ones.
    pub made: usize,
    /// Notes on objects that pruning leaves.
    pub kept: Vec<String>,
    /// Warnings about the steps that were made.
    pub warnings: Vec<String>,
    /// The SHA-256 of the steps, in hexadecimal.
    pub fingerprint: String,
    /// The message of `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The reason why the step after those that were made failed; a later call goes on from it.
    #[serde(skip)]
    pub error: Option<Error>,
}

impl State {
    /// Reads a text. Errors name `parameter`, and the text as `file`.
    ///
    /// # Errors
    /// `InvalidParameter` with the file and the line.
    pub fn parse(parameter: &'static str, file: &str, text: String) -> Result<Self> {
        let source = Source::new(parameter, file, text);
        if source.text().len() > MAX_BYTES {
            let why = format!("the file is longer than {MAX_BYTES} bytes: divide it");
            return Err(source.fault(0, &why));
        }
        let content = toml::from_str(source.text()).map_err(|error| source.unreadable(&error))?;
        Ok(Self {
            content,
            source,
            is_seed: false,
        })
    }

    /// Reads a seed's file.
    ///
    /// # Errors
    /// `InvalidParameter` with the file and the line.
    pub fn read_seed(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let why = format!("{} can't be read: {error}", file.display());
            Error::invalid_parameter("seed", why)
        })?;
        let state = Self::parse("seed", &file.display().to_string(), text)?;
        Ok(Self {
            is_seed: true,
            ..state
        })
    }

    /// Makes what a seed describes, its access keys too. An account that is there already gets
    /// what is new.
    ///
    /// # Errors
    /// `InvalidParameter` with the file and the line of what can't be made; those of the store.
    pub async fn seed(&self, service: &Service) -> Result<()> {
        let operator = Caller::operator();
        let context = RequestContext::operator(service.base.request_id());
        let call = service.call(&operator, &context);
        let report = apply(service, &call, self, &Options::default()).await?;
        report.error.map_or(Ok(()), |error| {
            Err(match error.kind() {
                ErrorKind::Internal | ErrorKind::StoreUnavailable => error,
                _ => Error::invalid_parameter("seed", error.message()),
            })
        })
    }
}

/// Compares a service with a state, and makes the steps from the one to the other, unless it is a
/// dry run. A step that fails ends it, and the report says so.
///
/// # Errors
/// `InvalidParameter` with the file and the line of what can't be made, before any step;
/// `PreconditionFailed` for other steps than those of the fingerprint; `OperatorDenied`, or
/// `Unsupported` for no operator; those of the store.
pub async fn apply(
    service: &Service,
    call: &Call<'_>,
    state: &State,
    options: &Options,
) -> Result<Report> {
    let Plan { steps, kept } = Box::pin(plan(service, call, state, options)).await?;
    let mut report = Report {
        fingerprint: fingerprint(steps.iter().map(|planned| &planned.step))?,
        steps: steps.iter().map(|planned| planned.step.clone()).collect(),
        made: 0,
        kept,
        warnings: Vec::new(),
        failure: None,
        error: None,
    };
    if options.dry_run {
        return Ok(report);
    }
    if let Some(shown) = &options.fingerprint
        && *shown != report.fingerprint
    {
        let why = "The steps are others than those that were shown, because something changed \
                   meanwhile; look at them again.";
        return Err(Error::precondition_failed(Noun::Account, why));
    }
    let mut maker = Maker::new(service, call);
    for planned in &steps {
        match maker.carry_out(planned.account, &planned.deed).await {
            Ok(warnings) => {
                let Step { noun, name, .. } = &planned.step;
                let said = |warning: String| format!("{noun} {name}: {warning}");
                report.warnings.extend(warnings.into_iter().map(said));
                report.made += 1;
            }
            Err(error) => {
                let error = state.source.placed(planned.noun, planned.at, error);
                report.failure = Some(error.message().to_owned());
                report.error = Some(error);
                break;
            }
        }
    }
    Ok(report)
}

fn fingerprint<'s>(steps: impl Iterator<Item = &'s Step>) -> Result<String> {
    let steps: Vec<&Step> = steps.collect();
    let text = serde_json::to_vec(&steps).map_err(Error::internal)?;
    Ok(hex::encode(digest(&SHA256, &text)))
}
