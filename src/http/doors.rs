//! The list of doors, the only file that knows them all; and which of them a request is for.
//!
//! Both clouds' clients call one port, with any host and nearly any path, so a call is recognised
//! by its signature: by its place and its name. A request that is signed as two APIs have it is
//! refused: a check of the one signature would act on what the other says.

use axum::response::Response;
use http::header;

use super::Settings;
use super::admin::Admin;
use super::alibaba::Alibaba;
use super::aws::Aws;
use super::console::Console;
use super::door::{BodyRule, Door, Envelope, Evidence, Incoming, Shared, Strength};
use super::oauth::OAuth;
use super::observe::metrics::DoorLabels;
use super::plain::{Plain, probe};
use super::registry::Registry;
use super::request::{Head, Record};
use super::tencent::Tencent;
use crate::domain::{Error, Result};
use crate::service::AuditAction;
use crate::sign;

/// Makes the enum of the doors, each call of which is that of the one door that it holds.
macro_rules! doors {
    ($($door:ident),+ $(,)?) => {
        /// The door that a request came to.
        pub(crate) enum AnyDoor {
            $($door($door)),+
        }

        impl AnyDoor {
            /// The labels of all doors in metrics, by [`Self::index`].
            pub(crate) const LABELS: &[DoorLabels] = &[$(DoorLabels {
                door: $door::NAME,
                unnamed_action: $door::UNNAMED_ACTION,
                operations: $door::OPERATIONS,
            }),+];

            /// Returns the place among all doors.
            pub(crate) fn index(&self) -> usize {
                #[derive(Clone, Copy)]
                enum Index { $($door),+ }
                match self { $(Self::$door(_) => Index::$door as usize),+ }
            }

            /// Returns the name in the log and in metrics.
            pub(crate) fn name(&self) -> &'static str {
                match self { $(Self::$door(_) => $door::NAME),+ }
            }

            /// As [`Door::UNNAMED_ACTION`].
            pub(crate) fn unnamed_action(&self) -> &'static str {
                match self { $(Self::$door(_) => $door::UNNAMED_ACTION),+ }
            }

            /// As [`Door::TELLS_THROTTLED`].
            pub(crate) fn tells_throttled(&self) -> bool {
                match self { $(Self::$door(_) => $door::TELLS_THROTTLED),+ }
            }

            /// Answers with an error, in this door's shape.
            pub(crate) fn refuse(&self, error: &Error, request_id: &str) -> Response {
                match self { $(Self::$door(door) => door.envelope().refuse(error, request_id)),+ }
            }

            /// As [`Door::spell_request_id`].
            pub(crate) fn spell_request_id(&self, id: &mut str) {
                match self { $(Self::$door(_) => $door::spell_request_id(id)),+ }
            }

            /// As [`Door::answer_at_once`].
            pub(crate) async fn answer_at_once(
                &self,
                head: &Head<'_>,
                shared: &Shared<'_>,
            ) -> Result<Option<Response>> {
                match self { $(Self::$door(door) => door.answer_at_once(head, shared).await),+ }
            }

            /// As [`Door::body_rule`].
            pub(crate) fn body_rule(&self, head: &Head<'_>, settings: &Settings) -> BodyRule {
                match self { $(Self::$door(door) => door.body_rule(head, settings)),+ }
            }

            /// As [`Door::check_host`].
            pub(crate) fn check_host(&self, head: &Head<'_>) -> Result<()> {
                match self { $(Self::$door(door) => door.check_host(head)),+ }
            }

            /// As [`Door::preview`].
            pub(crate) fn preview<'a>(&self, head: &Head<'a>) -> Result<Option<sign::Preview<'a>>> {
                match self { $(Self::$door(door) => door.preview(head)),+ }
            }

            /// As [`Door::prove`].
            pub(crate) async fn prove(
                &self,
                head: &Head<'_>,
                shared: &Shared<'_>,
                record: &mut Record,
            ) -> Result<()> {
                match self { $(Self::$door(door) => door.prove(head, shared, record).await),+ }
            }

            /// As [`Door::answer`].
            pub(crate) async fn answer(
                &self,
                request: Incoming<'_>,
                shared: &Shared<'_>,
                record: &mut Record,
            ) -> Result<Response> {
                match self { $(Self::$door(door) => door.answer(request, shared, record).await),+ }
            }

            /// As [`Door::audited_action`].
            pub(crate) fn audited_action(
                &self,
                head: &Head<'_>,
                record: &Record,
            ) -> Option<AuditAction> {
                match self { $(Self::$door(door) => door.audited_action(head, record)),+ }
            }

            /// As [`Door::complete`].
            pub(crate) fn complete(
                &self,
                head: &Head<'_>,
                shared: &Shared<'_>,
                record: &Record,
                response: &mut Response,
            ) {
                match self {
                    $(Self::$door(door) => door.complete(head, shared, record, response)),+
                }
            }
        }

        /// Chooses the door of a request; of two that are equally sure, the first of the list.
        pub(crate) fn choose(head: &Head<'_>) -> Choice {
            let mut found = Found::default();
            $(
                if let Some((evidence, door)) = $door::claims(head) {
                    found.add(evidence, || AnyDoor::$door(door));
                }
            )+
            found.choice(head)
        }
    };
}

doors! { Tencent, Alibaba, Aws, Registry, OAuth, Admin, Console, Plain }

impl AnyDoor {
    /// The door of a request of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self::Plain(Plain)
    }
}

/// Answers a monitoring system's probe; nothing at a path that is none.
pub(crate) async fn answer_probe(head: &Head<'_>, shared: &Shared<'_>) -> Result<Option<Response>> {
    probe(head, shared).await
}

/// The door of a request, and whether it may pass.
pub(crate) struct Choice {
    /// The door.
    pub(crate) door: AnyDoor,
    /// Whether the request is signed in at most one way.
    pub(crate) is_signed_once: bool,
}

impl Choice {
    /// Refuses the signatures of two APIs in one request.
    ///
    /// # Errors
    ///
    /// `MalformedAuthorization` when there are two.
    pub(crate) fn check_signed_once(&self) -> Result<()> {
        if self.is_signed_once {
            return Ok(());
        }
        Err(Error::malformed_authorization(
            "The request is signed in two ways; sign it in one.",
        ))
    }
}

/// The doors that claim a request.
#[derive(Default)]
struct Found {
    best: Option<(Strength, AnyDoor)>,
    /// How many APIs it is signed for, or has headers of.
    signing: usize,
    /// How many kinds of access keys its parameters name.
    keys: usize,
    by_header: bool,
    by_parameters: bool,
}

impl Found {
    fn add(&mut self, evidence: Evidence, door: impl FnOnce() -> AnyDoor) {
        let Evidence {
            strength,
            is_signed_in_header,
            names_key,
            is_signed_in_parameters,
            has_own_header,
        } = evidence;
        self.signing +=
            usize::from(is_signed_in_header || is_signed_in_parameters || has_own_header);
        self.keys += usize::from(names_key);
        self.by_header |= is_signed_in_header;
        self.by_parameters |= is_signed_in_parameters;
        if self.best.as_ref().is_none_or(|(best, _)| strength > *best) {
            self.best = Some((strength, door()));
        }
    }

    fn choice(self, head: &Head<'_>) -> Choice {
        let two_lines = head
            .parts
            .headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .nth(1)
            .is_some();
        let twice =
            self.signing > 1 || self.keys > 1 || self.by_header && self.by_parameters || two_lines;
        let (strength, door) = self.best.unwrap_or((Strength::Rest, AnyDoor::unknown()));
        // By its path a request is nobody else's, whatever stands in it.
        Choice {
            door,
            is_signed_once: strength == Strength::Path || !twice,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use http::request::Parts;

    use super::*;

    type Headers<'a> = &'a [(&'a str, &'a str)];

    fn parts(method: Method, uri: &str, headers: Headers) -> Parts {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn chosen(door: &AnyDoor) -> String {
        match door {
            AnyDoor::Tencent(door) => format!("tencent {:?}", door.scheme()),
            AnyDoor::Alibaba(door) => format!("alibaba {:?}", door.scheme()),
            AnyDoor::Aws(door) => format!("aws {:?}", door.scheme()),
            other => other.name().to_owned(),
        }
    }

    #[test]
    fn a_door_is_recognised_from_the_request_itself() {
        let cases: &[(&str, Headers, &str)] = &[
            (
                "/",
                &[("authorization", "TC3-HMAC-SHA256 x")],
                "tencent Tc3",
            ),
            (
                "/",
                &[("x-tc-action", "CreateInstanceToken")],
                "tencent Tc3",
            ),
            (
                "/",
                &[("x-tc-action", "A"), ("authorization", "SKIP")],
                "tencent Unsigned",
            ),
            ("/?SecretId=AKID&Signature=x&Action=A", &[], "tencent V1"),
            ("/?Action=A&Version=2019-09-24", &[], "tencent V1"),
            (
                "/",
                &[("authorization", "ACS3-HMAC-SHA256 x")],
                "alibaba Acs3",
            ),
            ("/", &[("authorization", "ACS3-HMAC-SM3 x")], "alibaba Acs3"),
            ("/?AccessKeyId=LTAI&Signature=x", &[], "alibaba Rpc"),
            (
                "/?AccessKeyId=LTAI&Signature=x",
                &[("x-acs-action", "A")],
                "alibaba Rpc",
            ),
            ("/tokens", &[("authorization", "acs LTAI:x")], "alibaba Roa"),
            (
                "/?SignatureType=BEARERTOKEN",
                &[("x-acs-bearer-token", "t")],
                "alibaba Bearer",
            ),
            (
                "/?Action=AssumeRoleWithOIDC&Version=2015-04-01",
                &[],
                "alibaba Unsigned",
            ),
            ("/", &[("x-acs-action", "A")], "alibaba Unsigned"),
            (
                "/",
                &[("authorization", "AWS4-HMAC-SHA256 x")],
                "aws Headers",
            ),
            (
                "/",
                &[("authorization", "AWS4-ECDSA-P256-SHA256 x")],
                "aws Headers",
            ),
            (
                "/?Action=A&X-Amz-Credential=AKID&X-Amz-Signature=x",
                &[],
                "aws Query",
            ),
            ("/?X-Amz-Signature=x", &[], "aws Query"),
            ("/", &[("x-amz-target", "A.B")], "aws Unsigned"),
            ("/", &[("x-amz-date", "20260101T000000Z")], "aws Unsigned"),
            (
                "/",
                &[("content-type", "application/x-amz-json-1.1")],
                "aws Unsigned",
            ),
            ("/?Action=A&Version=2011-06-15", &[], "aws Unsigned"),
            ("/", &[], "plain"),
            ("/", &[("authorization", "Basic abc")], "plain"),
            (
                "/token",
                &[("authorization", "TC3-HMAC-SHA256 x")],
                "registry",
            ),
            ("/oauth/token", &[], "oauth"),
            (
                "/oauth/token?SecretId=a&Signature=b",
                &[("authorization", "TC3-HMAC-SHA256 x")],
                "oauth",
            ),
            ("/oauth2/federation/robot/token", &[], "oauth"),
            ("/oauth/", &[], "plain"),
            ("/v2/", &[], "registry"),
            (
                "/v2/",
                &[("authorization", "TC3-HMAC-SHA256 x")],
                "tencent Tc3",
            ),
            ("/healthz", &[("x-acs-action", "A")], "plain"),
        ];
        for (uri, headers, door) in cases {
            assert_eq!(
                chosen(&choose(&Head::new(&parts(Method::GET, uri, headers))).door),
                *door,
                "{uri} {headers:?}"
            );
        }
    }

    #[test]
    fn every_operation_has_a_place_and_a_name_of_its_own() {
        for DoorLabels {
            door, operations, ..
        } in AnyDoor::LABELS
        {
            assert!(
                operations
                    .iter()
                    .enumerate()
                    .all(|(place, operation)| operation.index == place),
                "{door}"
            );
            let names: std::collections::BTreeSet<_> =
                operations.iter().map(|operation| operation.name).collect();
            assert_eq!(names.len(), operations.len(), "{door}");
        }
    }

    #[test]
    fn a_form_tells_whose_request_it_is() {
        let parts = parts(
            Method::POST,
            "/",
            &[("content-type", "application/x-www-form-urlencoded")],
        );
        let head = Head::new(&parts);
        assert_eq!(chosen(&choose(&head).door), "plain");
        assert_eq!(
            chosen(&choose(&head.with_form(b"SecretId=AKID&Signature=x")).door),
            "tencent V1"
        );
        assert_eq!(
            chosen(&choose(&head.with_form(b"AccessKeyId=LTAI&Signature=x")).door),
            "alibaba Rpc"
        );
        assert_eq!(
            chosen(&choose(&head.with_form(b"Action=A&Version=2011-06-15")).door),
            "aws Unsigned"
        );
        assert!(!choose(&head.with_form(b"AccessKeyId=LTAI&SecretId=AKID")).is_signed_once);
    }

    #[test]
    fn a_request_that_is_signed_as_two_apis_have_it_is_refused() {
        let (tc3, acs3) = (
            ("authorization", "TC3-HMAC-SHA256 x"),
            ("authorization", "ACS3-HMAC-SHA256 x"),
        );
        let cases: &[(&str, Headers)] = &[
            ("/", &[tc3, ("x-acs-action", "A")]),
            ("/", &[acs3, ("x-tc-action", "A")]),
            ("/?SecretId=a&Signature=b", &[tc3]),
            ("/?AccessKeyId=a&Signature=b", &[acs3]),
            ("/?SecretId=a&AccessKeyId=b&Signature=c", &[]),
            (
                "/?SecretId=a&Signature=c",
                &[("x-acs-version", "2018-12-01")],
            ),
            ("/", &[tc3, tc3]),
            ("/", &[tc3, ("x-amz-target", "A.B")]),
            ("/?X-Amz-Credential=a&X-Amz-Signature=b", &[acs3]),
            ("/?X-Amz-Credential=a&SecretId=b&Signature=c", &[]),
            (
                "/?X-Amz-Credential=a&X-Amz-Signature=b",
                &[("authorization", "AWS4-HMAC-SHA256 x")],
            ),
        ];
        for (uri, headers) in cases {
            let parts = parts(Method::GET, uri, headers);
            let refused = choose(&Head::new(&parts)).check_signed_once().unwrap_err();
            assert_eq!(
                refused.kind(),
                &crate::domain::ErrorKind::MalformedAuthorization,
                "{uri} {headers:?}"
            );
        }
        let parts = parts(
            Method::GET,
            "/?AccessKeyId=a&Signature=b",
            &[("x-acs-action", "A"), ("x-acs-version", "2018-12-01")],
        );
        assert!(choose(&Head::new(&parts)).is_signed_once);
    }
}
