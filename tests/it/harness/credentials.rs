//! Access keys and sessions that sign calls.

use transire::domain::secret::Secret;
use transire::service::NewAccessKey;
use transire::sign::{Signer, SigningSecret};

use crate::harness::Answer;

/// An access key with its secret, and the token that goes with a session's.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: SigningSecret,
    pub(crate) token: Option<String>,
}

impl Key {
    pub(crate) fn permanent(key: NewAccessKey) -> Self {
        Self {
            id: key.id,
            secret: SigningSecret::new(key.secret),
            token: None,
        }
    }

    pub(crate) fn signer(&self) -> Signer<'_> {
        Signer {
            access_key_id: &self.id,
            secret: &self.secret,
            session_token: self.token.as_deref(),
        }
    }
}

/// A session as the answer shows it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: String,
}

impl Session {
    pub(crate) fn of_tencent(answer: &Answer) -> Self {
        let body = answer.json();
        let text = |name: &str| {
            body["Response"]["Credentials"][name]
                .as_str()
                .unwrap_or_else(|| panic!("{body}"))
                .to_owned()
        };
        Self {
            id: text("TmpSecretId"),
            secret: text("TmpSecretKey"),
            token: text("Token"),
        }
    }

    pub(crate) fn of_alibaba(answer: &Answer) -> Self {
        let body = answer.json();
        let text = |name: &str| {
            body["Credentials"][name]
                .as_str()
                .unwrap_or_else(|| panic!("{body}"))
                .to_owned()
        };
        Self {
            id: text("AccessKeyId"),
            secret: text("AccessKeySecret"),
            token: text("SecurityToken"),
        }
    }

    pub(crate) fn key(&self) -> Key {
        self.with_token(Some(&self.token))
    }

    pub(crate) fn with_token(&self, token: Option<&str>) -> Key {
        Key {
            id: self.id.clone(),
            secret: SigningSecret::new(Secret::new(&self.secret)),
            token: token.map(str::to_owned),
        }
    }
}
