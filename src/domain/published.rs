//! The published test set: the ids, the keys and the name of the CA by which every `transire mock`
//! is known.
//!
//! Everybody can read these secrets, so nothing but the mock may use them. docs/mock.md lists them,
//! and `transire serve` refuses a store that holds one.

/// An access key that everybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedKey {
    /// The id.
    pub id: &'static str,
    /// The secret.
    pub secret: &'static str,
}

/// The account's id: that of all examples, which an operator may have taken from there.
pub const ACCOUNT: &str = "100000000001";
/// The account's key in the form of Tencent Cloud's.
pub const TENCENT_KEY: PublishedKey = PublishedKey {
    id: "AKIDEXAMPLEEXAMPLEEXAMPLEEXAMPLE0001",
    secret: "EXAMPLEsecretOfTheMock0000000001",
};
/// The account's key in the form of Alibaba Cloud's.
pub const ALIBABA_KEY: PublishedKey = PublishedKey {
    id: "LTAIEXAMPLEEXAMPLE000001",
    secret: "EXAMPLEsecretOfTheMock00000002",
};
/// The keys: both work in both clouds' APIs.
pub const KEYS: [PublishedKey; 2] = [TENCENT_KEY, ALIBABA_KEY];
/// The instance's id in Tencent's API.
pub const INSTANCE: &str = "tcr-example1";
/// The instance's id in Alibaba's API.
pub const INSTANCE_CRI: &str = "cri-example1example1";
/// The name of the account and of its instance.
pub const NAME: &str = "example";
/// The instance's service: the audience of its tokens.
pub const SERVICE: &str = "example.registry.localhost";
/// The common name of the CA of every mock, made anew or fixed.
pub const CA: &str = "transire MOCK CA, for tests alone";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access_key;
    use crate::domain::ids::{CriId, InstanceId};

    #[test]
    fn the_published_ids_have_the_forms_that_sdks_and_this_service_take() {
        assert!(access_key::is_permanent(TENCENT_KEY.id));
        assert_eq!(
            (TENCENT_KEY.id.len(), TENCENT_KEY.secret.len()),
            (36, 32),
            "as Tencent's"
        );
        assert_eq!(
            (ALIBABA_KEY.id.len(), ALIBABA_KEY.secret.len()),
            (24, 30),
            "as Alibaba's"
        );
        assert!(INSTANCE.parse::<InstanceId>().is_ok() && INSTANCE_CRI.parse::<CriId>().is_ok());
    }
}
