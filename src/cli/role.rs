//! `transire role`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Context, Ended, Named, arguments, output, read_document};
use crate::domain::ids::AccountId;
use crate::domain::refusal::RefusalCause;
use crate::domain::seconds::Seconds;
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::{Outcome, RoleChange};
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a role. The principals that its trust policy names may assume it.
    Create(Create),
    /// List an account's roles.
    List {
        /// The account's id.
        #[arg(long)]
        account: AccountId,
    },
    /// Show a role, with its trust policy.
    Show(Named),
    /// Change a role's trust policy, or the longest life of its sessions. Its sessions go on.
    Update(Update),
    /// Say whether a role accepts an OpenID Connect token, and which conditions it doesn't meet.
    Test(Test),
    /// Delete a role. Its sessions stop, and all credentials that they obtained.
    Delete(Named),
}

#[derive(Args)]
pub(super) struct Create {
    #[command(flatten)]
    role: Named,
    /// A file with the trust policy, in CAM's or RAM's language: it names the principals that may
    /// assume the role.
    #[arg(long, value_name = "FILE")]
    trust_policy: PathBuf,
    /// The maximum life of a session: 1h to 12h.
    #[arg(long, value_name = "TIME", default_value_t = Seconds::new(7200))]
    max_session: Seconds,
}

#[derive(Args)]
pub(super) struct Update {
    #[command(flatten)]
    role: Named,
    /// A file with another trust policy.
    #[arg(long, value_name = "FILE", required_unless_present = "max_session")]
    trust_policy: Option<PathBuf>,
    /// The maximum life of a session: 1h to 12h.
    #[arg(long, value_name = "TIME")]
    max_session: Option<Seconds>,
}

#[derive(Args)]
pub(super) struct Test {
    #[command(flatten)]
    role: Named,
    /// The file with the token; - reads it from standard input.
    #[arg(long, value_name = "FILE")]
    token: PathBuf,
}

impl Command {
    /// Tells whether the command answers a question: it exits with 1 for "no".
    pub(super) fn decides(&self) -> bool {
        matches!(self, Self::Test(_))
    }
}

/// The document of a role is its trust policy.
fn of_document(error: Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidParameter { name } if name == "document" => {
            arguments::of_argument("trust-policy")(error)
        }
        _ => error,
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<Ended> {
    let (service, call) = (&context.service, &context.call());
    let done = match command {
        Command::Test(of) => return test(context, of).await,
        Command::Update(change) => update(context, change).await,
        Command::Show(Named { account, name }) => {
            let role = service.identity.role(call, account, &name).await?;
            context.output.show(vec![
                ("role_id", role.id.to_string().into()),
                ("name", role.name.into()),
                ("max_session", role.max_session_seconds.into()),
                ("created_at", role.created_at.rfc3339().into()),
                ("trust_policy", role.trust_policy.into()),
            ])
        }
        Command::Create(new) => create(context, new).await,
        Command::List { account } => {
            let roles = service.identity.roles(call, account).await?;
            context
                .output
                .list(roles.into_iter().map(views::Role::from))
        }
        Command::Delete(one) => {
            let made = service
                .identity
                .delete_role(call, one.account, &one.name)
                .await?;
            let made = context.output.lines(made.into_iter());
            context.output.one(vec![
                ("name", one.name.into()),
                ("state", "deleted".into()),
                ("service_accounts", made),
            ])
        }
    };
    done.map(|()| Ended::Done)
}

async fn create(context: &Context, new: Create) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let Create {
        role: Named { account, name },
        trust_policy,
        max_session,
    } = new;
    let text = read_document("trust-policy", &trust_policy)?;
    let (role, warnings) = service
        .identity
        .create_role(call, account, &name, &text, max_session.at_most_u32())
        .await
        .map_err(of_document)?;
    for warning in &warnings {
        output::warn(warning);
    }
    context.output.one(vec![
        ("role_id", role.id.to_string().into()),
        ("name", role.name.into()),
        (
            "tencent_arn",
            format!("qcs::cam::uin/{account}:roleName/{name}").into(),
        ),
        (
            "alibaba_arn",
            format!("acs:ram::{account}:role/{name}").into(),
        ),
        ("warnings", warnings.into()),
    ])
}

async fn update(context: &Context, change: Update) -> Result<()> {
    let Named { account, name } = change.role;
    let text = change
        .trust_policy
        .map(|file| read_document("trust-policy", &file))
        .transpose()?;
    let wanted = RoleChange {
        trust_policy: text.as_deref(),
        max_session_seconds: change.max_session.map(Seconds::at_most_u32),
    };
    let warnings = context
        .service
        .identity
        .update_role(&context.call(), account, &name, wanted)
        .await
        .map_err(of_document)?;
    for warning in &warnings {
        output::warn(warning);
    }
    context
        .output
        .one(vec![("name", name.into()), ("warnings", warnings.into())])
}

async fn test(context: &Context, of: Test) -> Result<Ended> {
    let Named { account, name } = of.role;
    let token = Secret::new(arguments::read_file("token", &of.token)?.trim());
    let tested = context
        .service
        .identity
        .test_role(&context.call(), account, &name, &token)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound { .. } => Error::invalid_parameter("name", error.message()),
            _ => error,
        })?;
    let accepted = tested.outcome == Outcome::Allowed && tested.refused.is_none();
    let unmet = context.output.lines(tested.unmet.into_iter());
    context.output.show(vec![
        ("accepted", accepted.into()),
        ("provider", tested.provider.into()),
        ("trusts_provider", tested.names_provider.into()),
        ("refused", tested.refused.map(RefusalCause::name).into()),
        ("unmet", unmet),
        ("subject", tested.identity.subject.into()),
        ("audiences", tested.identity.audiences.into()),
        ("expires_at", tested.identity.expires_at.rfc3339().into()),
    ])?;
    Ok(if accepted { Ended::Done } else { Ended::Denied })
}
