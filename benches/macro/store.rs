//! A store of many accounts, made through the service itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use transire::config::Settings;
use transire::domain::identity::Target;
use transire::domain::ids::AccountId;
use transire::domain::instance::Instance;
use transire::service::{
    Attached, Call, Caller, Identity, NewAccessKey, NewInstance, NewOidcProvider, RequestContext,
    Service,
};
use transire::sign::SigningSecret;
use transire::store::Open;

use crate::Result;
use crate::job_tokens::{AUDIENCE, ISSUER, Issuer};

/// How many accounts the load is spread over.
pub(crate) const ACCOUNTS: usize = 1000;
/// How many of them trust jobs: as many providers stay in memory.
const TRUSTING_ACCOUNTS: usize = 250;

/// One account: its access key and its instance.
pub(crate) struct Tenant {
    pub(crate) access_key_id: String,
    pub(crate) secret: SigningSecret,
    pub(crate) instance: Instance,
}

/// A credential that logs in to an account's instance.
pub(crate) struct Credential {
    pub(crate) username: String,
    pub(crate) secret: String,
}

/// The data of one run, which goes away with it.
pub(crate) struct Data {
    directory: PathBuf,
    pub(crate) tenants: Vec<Tenant>,
    /// A job's token and its role's name, one for each account that trusts jobs.
    pub(crate) job_log_ins: Vec<Credential>,
    /// Lines in the audit before anything was measured.
    audited_before: u64,
}

impl Data {
    /// Makes the accounts.
    pub(crate) async fn prepare() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("transire-bench-{}", std::process::id()));
        let mut data = Self {
            directory,
            tenants: Vec::new(),
            job_log_ins: Vec::new(),
            audited_before: 0,
        };
        let service = Arc::new(
            transire::open::open(
                &Settings {
                    data_dir: data.directory.clone(),
                    ..Settings::default()
                },
                Open::Serve,
            )
            .await?,
        );
        let issuer = Issuer::new()?;
        for number in 0..TRUSTING_ACCOUNTS {
            data.job_log_ins.push(Credential {
                username: "role/ci".to_owned(),
                secret: issuer.token(number)?,
            });
        }
        // All at once: writes that wait together share an fsync.
        let making: Vec<_> = (0..ACCOUNTS)
            .map(|number| tokio::spawn(tenant(Arc::clone(&service), issuer.jwks(), number)))
            .collect();
        for tenant in making {
            data.tenants
                .push(tenant.await?.map_err(|error| error.to_string())?);
        }
        service.ledger.close().await;
        drop(service);
        data.audited_before = data.count_audit_lines()?;
        Ok(data)
    }

    /// Returns where the data is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns how many lines the audit got since.
    pub(crate) fn audit_lines(&self) -> Result<u64> {
        Ok(self.count_audit_lines()? - self.audited_before)
    }

    fn count_audit_lines(&self) -> Result<u64> {
        let connection = rusqlite::Connection::open(self.directory.join("transire.db"))?;
        // A row for every change, and for all else pages with a line of text for each.
        let lines = "SELECT (SELECT count(*) FROM audit) + (SELECT coalesce(sum(length(lines) - \
                     length(replace(lines, char(10), ''))), 0) FROM audit_page)";
        Ok(connection
            .query_row(lines, (), |row| row.get::<_, i64>(0))?
            .unsigned_abs())
    }
}

/// A copy of the data, for a second program; it goes away with it.
pub(crate) struct Copied(PathBuf);

impl Copied {
    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Data {
    /// Copies the data, before a program has it open.
    pub(crate) fn copy(&self) -> Result<Copied> {
        let copy = Copied(self.directory.with_extension("other"));
        std::fs::create_dir(&copy.0)?;
        for file in std::fs::read_dir(&self.directory)? {
            let file = file?;
            if file.file_type()?.is_file() {
                std::fs::copy(file.path(), copy.0.join(file.file_name()))?;
            }
        }
        Ok(copy)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} can't be removed: {error}", self.0.display());
        }
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            eprintln!("{} can't be removed: {error}", self.directory.display());
        }
    }
}

async fn tenant(
    service: Arc<Service>,
    jwks: String,
    number: usize,
) -> transire::domain::Result<Tenant> {
    let operator = Caller::operator();
    let context = RequestContext::operator(service.base.request_id());
    let id = AccountId::new(100_000_000_001 + i64::try_from(number).unwrap_or_default())?;
    let account = service
        .identity
        .create_account(
            &service.call(&operator, &context),
            Some(id),
            &format!("tenant-{number}"),
            None,
        )
        .await?
        .id;
    let NewAccessKey { id, secret } = service
        .identity
        .create_access_key(&service.call(&operator, &context), account, None)
        .await?;
    let new = NewInstance::named(
        account,
        "bench",
        "ap-guangzhou",
        format!("registry-{number}.example.com"),
    );
    let instance = service
        .registry
        .create_instance(&service.call(&operator, &context), new)
        .await?;
    if number < TRUSTING_ACCOUNTS {
        let call = service.call(&operator, &context);
        trust_jobs(&service.identity, &call, account, jwks).await?;
    }
    Ok(Tenant {
        access_key_id: id,
        secret: SigningSecret::new(secret),
        instance,
    })
}

/// Makes the role `ci`, which an issuer's tokens may have.
async fn trust_jobs(
    identity: &Identity,
    call: &Call<'_>,
    account: AccountId,
    jwks: String,
) -> transire::domain::Result<()> {
    let provider = NewOidcProvider {
        account,
        name: "actions".to_owned(),
        issuer: ISSUER.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        jwks: Some(jwks),
        algorithms: Vec::new(),
    };
    identity.create_oidc_provider(call, provider).await?;
    let trust = serde_json::json!({ "Version": "1", "Statement": [{
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": { "Federated": [format!("acs:ram::{account}:oidc-provider/actions")] },
        "Condition": {
            "StringEquals": { "oidc:aud": AUDIENCE },
            "StringLike": { "oidc:sub": "repo:example-org/*" },
        },
    }] });
    identity
        .create_role(call, account, "ci", &trust.to_string(), 3600)
        .await?;
    let role = Target::Role("ci".to_owned());
    identity
        .set_attached(call, account, "QcloudTCRFullAccess", &role, Attached::Yes)
        .await
}
