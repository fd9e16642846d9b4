//! Templates of OpenID Connect providers: the well-known platforms whose jobs hold tokens.

use std::fmt;
use std::str::FromStr;

use serde_json::json;

use crate::domain::identity::{OidcAlgorithm, OidcProvider};
use crate::domain::{Error, ErrorKind, Result};

/// A platform whose tokens are known in form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OidcPreset {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// Service accounts of a Kubernetes cluster.
    Kubernetes,
    /// Forgejo Actions.
    Forgejo,
    /// Buildkite.
    Buildkite,
}

impl OidcPreset {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::GitHub,
        Self::GitLab,
        Self::Kubernetes,
        Self::Forgejo,
        Self::Buildkite,
    ];

    /// Returns its name, as commands have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Kubernetes => "kubernetes",
            Self::Forgejo => "forgejo",
            Self::Buildkite => "buildkite",
        }
    }

    /// Returns the issuer of the platform's own service.
    ///
    /// # Errors
    /// `MissingParameter` for a platform that everyone runs as their own.
    pub fn issuer(self) -> Result<&'static str> {
        let of_its_own = |example| {
            let why = format!(
                "Each {self} has an issuer of its own: give by --issuer the iss of its tokens, \
                 such as {example}."
            );
            let name = "issuer".to_owned();
            Err(Error::new(ErrorKind::MissingParameter { name }, why))
        };
        match self {
            Self::GitHub => Ok("https://token.actions.githubusercontent.com"),
            Self::GitLab => Ok("https://gitlab.com"),
            Self::Buildkite => Ok("https://agent.buildkite.com"),
            Self::Kubernetes => of_its_own("https://kubernetes.default.svc.cluster.local"),
            Self::Forgejo => of_its_own("https://forgejo.example.com/api/actions"),
        }
    }

    /// Returns the algorithms that the platform signs with.
    pub fn algorithms(self) -> &'static [OidcAlgorithm] {
        use OidcAlgorithm::{Es256, Es384, Rs256};
        match self {
            // RSA keys, unless the administrator made others.
            Self::Kubernetes => &[Rs256, Es256, Es384],
            Self::GitHub | Self::GitLab | Self::Forgejo | Self::Buildkite => &[Rs256],
        }
    }

    /// Returns an example of the subject of one project's jobs on the branch main, or of one
    /// service account; and the operator that compares it.
    fn subject(self) -> (&'static str, &'static str) {
        match self {
            // With the numbers of owner and repository, which never pass to another owner.
            Self::GitHub => (
                "StringEquals",
                "repo:example-org@123456/app@456789:ref:refs/heads/main",
            ),
            Self::GitLab => (
                "StringEquals",
                "project_path:example-group/app:ref_type:branch:ref:main",
            ),
            Self::Kubernetes => ("StringEquals", "system:serviceaccount:ci:builder"),
            Self::Forgejo => (
                "StringEquals",
                "repo:example-org-123456/app-456789:ref:refs/heads/main",
            ),
            Self::Buildkite => (
                "StringLike",
                "organization:example-org:pipeline:app:ref:refs/heads/main:commit:*:step:*",
            ),
        }
    }

    /// Returns an example of a trust policy for the provider's tokens, in RAM's language.
    pub fn trust_policy(self, provider: &OidcProvider) -> String {
        let (operator, subject) = self.subject();
        let mut condition = json!({ "StringEquals": { "oidc:aud": provider.audiences } });
        condition[operator]["oidc:sub"] = json!([subject]);
        let arn = format!(
            "acs:ram::{}:oidc-provider/{}",
            provider.account, provider.name
        );
        let policy = json!({
            "Version": "1",
            "Statement": [{
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": { "Federated": [arn] },
                "Condition": condition,
            }],
        });
        format!("{policy:#}")
    }
}

impl fmt::Display for OidcPreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for OidcPreset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == text);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::invalid_parameter("preset", format!("a preset is one of {known}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::policy::{Limits, TrustPolicy};
    use crate::remote;
    use crate::service::identity::oidc_providers::check_issuer;

    #[test]
    fn each_example_of_a_trust_policy_is_one_without_warnings() {
        for preset in OidcPreset::ALL {
            let provider = OidcProvider {
                account: "100000000001".parse().unwrap(),
                name: preset.name().to_owned(),
                issuer: "https://issuer.example.com".to_owned(),
                audiences: vec!["sts.example.com".to_owned(), "other.example.com".to_owned()],
                jwks: None,
                algorithms: preset.algorithms().to_vec(),
                created_at: Timestamp::from_unix_seconds(0),
            };
            let text = preset.trust_policy(&provider);
            let checked = TrustPolicy::parse(&text, Limits::POLICY).unwrap();
            assert!(
                checked.warnings.is_empty(),
                "{preset}: {:?}",
                checked.warnings
            );
            assert!(checked.policy.names_provider(&(&provider).into()));
        }
    }

    #[test]
    fn each_issuer_of_a_preset_is_one_that_can_be_asked() {
        let remote = remote::Client::new(remote::Settings::default());
        let issuers: Vec<_> = OidcPreset::ALL
            .into_iter()
            .filter_map(|preset| preset.issuer().ok())
            .collect();
        assert_eq!(issuers.len(), 3);
        for issuer in issuers {
            check_issuer(&remote, issuer, false).unwrap();
        }
    }
}
