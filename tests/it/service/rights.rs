//! Users and policies: a credential carries the rights of whoever asked for it, and loses them with
//! them.

use serde_json::{Value, json};
use transire::domain::identity::{Target, UserState};
use transire::domain::secret::Secret;
use transire::service::{Attached, Membership, Save};

use crate::harness::documents::{allow, cam, deny, ram, ram_allow, ram_deny};
use crate::harness::identity::{app_of_user, attach};
use crate::harness::operator::{account, context};
use crate::harness::registry::granted;
use crate::harness::{ACCOUNT, App, SERVICE};

const REPOSITORY: &str = "repository:team/app:pull,push,delete";

fn cam_issue() -> Value {
    cam(&json!([allow(
        ["tcr:CreateInstanceToken"],
        ["qcs::tcr:::instance/INSTANCE-TCR"]
    )]))
}

#[tokio::test]
async fn a_user_logs_in_with_its_own_id_and_does_what_its_policies_allow() {
    let pull = cam(&json!([allow(
        "tcr:PullRepository",
        "qcs::tcr:::repository/INSTANCE-TCR/team/*"
    )]));
    let app = app_of_user(&[cam_issue(), pull]).await;
    let (username, secret) = app.temporary().await;
    assert!(
        username.starts_with('2') && username != ACCOUNT,
        "{username}"
    );
    assert_eq!(
        granted(&app, &username, &secret, REPOSITORY).await,
        "repository:team/app:pull"
    );
    assert_eq!(
        granted(&app, &username, &secret, "repository:other/app:pull").await,
        ""
    );
    assert_eq!(
        granted(&app, &username, &secret, "registry:catalog:*").await,
        ""
    );
}

#[tokio::test]
async fn a_call_that_no_policy_allows_is_denied_in_each_clouds_form() {
    let app = app_of_user(&[]).await;
    let tencent = app
        .tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": app.instance.id.as_str() }),
        )
        .send()
        .await
        .json();
    assert_eq!(
        tencent["Response"]["Error"]["Code"],
        "AuthFailure.UnauthorizedOperation"
    );
    let message = tencent["Response"]["Error"]["Message"].as_str().unwrap();
    let resource = format!(
        "(qcs::tcr:ap-guangzhou:uin/{ACCOUNT}:instance/{})",
        app.instance.id
    );
    assert!(
        message.contains("(tcr:CreateInstanceToken)") && message.contains(&resource),
        "{message}"
    );
    let alibaba = app
        .alibaba(
            "GetAuthorizationToken",
            &[("InstanceId", app.instance.cri_id.as_str())],
        )
        .send()
        .await;
    assert_eq!(
        (alibaba.status.as_u16(), alibaba.json()["Code"].clone()),
        (403, json!("NoPrivilege"))
    );
    let detail = &alibaba.json()["AccessDeniedDetail"];
    assert_eq!(
        (&detail["AuthAction"], &detail["NoPermissionType"]),
        (&json!("cr:GetAuthorizationToken"), &json!("ImplicitDeny"))
    );
    assert_eq!(
        (
            &detail["AuthPrincipalType"],
            &detail["AuthPrincipalOwnerId"]
        ),
        (&json!("SubUser"), &json!(ACCOUNT))
    );
}

#[tokio::test]
async fn a_deny_in_either_language_closes_both_doors() {
    let allow_ram = ram(&json!([ram_allow("cr:*", "*")]));
    let allow_cam = cam(&json!([allow("tcr:*", "*")]));
    let deny_push = ram(&json!([ram_deny(
        "cr:PushRepository",
        "acs:cr:*:*:repository/INSTANCE-CRI/team/*"
    )]));
    let app = app_of_user(&[allow_ram, allow_cam, deny_push]).await;
    let (username, secret) = app.temporary().await;
    assert_eq!(
        granted(&app, &username, &secret, REPOSITORY).await,
        "repository:team/app:pull,delete"
    );
    assert_eq!(
        granted(&app, &username, &secret, "repository:other/app:push").await,
        "repository:other/app:pull,push"
    );
}

#[tokio::test]
async fn a_right_to_short_credentials_is_none_to_long_ones() {
    let app = app_of_user(&[ram(&json!([ram_allow("cr:Get*", "*")]))]).await;
    app.temporary().await;
    let long = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
    let denied = app
        .tencent("CreateInstanceToken", &long)
        .send()
        .await
        .json();
    assert_eq!(
        denied["Response"]["Error"]["Code"],
        "AuthFailure.UnauthorizedOperation"
    );
}

#[tokio::test]
async fn a_changed_policy_is_obeyed_at_the_next_exchange() {
    let pull = cam(&json!([allow("tcr:PullRepository", "*")]));
    let app = app_of_user(&[cam_issue(), pull]).await;
    let (username, secret) = app.temporary().await;
    assert_eq!(
        granted(&app, &username, &secret, REPOSITORY).await,
        "repository:team/app:pull"
    );
    let push = cam(&json!([allow(
        ["tcr:PullRepository", "tcr:PushRepository"],
        "*"
    )]));
    app.service
        .identity
        .save_policy(
            &app.operator(),
            account(),
            "policy-1",
            &push.to_string(),
            Save::Update,
        )
        .await
        .unwrap();
    assert_eq!(
        granted(&app, &username, &secret, REPOSITORY).await,
        "repository:team/app:pull,push"
    );
    attach(&app, "policy-1", Attached::No).await;
    assert_eq!(granted(&app, &username, &secret, REPOSITORY).await, "");
}

#[tokio::test]
async fn a_group_gives_its_policies_and_takes_them_back() {
    let app = app_of_user(&[cam_issue()]).await;
    app.service
        .identity
        .create_group(&app.operator(), account(), "readers")
        .await
        .unwrap();
    let group = Target::Group("readers".to_owned());
    app.service
        .identity
        .set_attached(
            &app.operator(),
            account(),
            "QcloudTCRReadOnlyAccess",
            &group,
            Attached::Yes,
        )
        .await
        .unwrap();
    let (username, secret) = app.temporary().await;
    for (membership, expected) in [
        (Membership::In, "repository:team/app:pull"),
        (Membership::Out, ""),
    ] {
        app.service
            .identity
            .set_member(&app.operator(), account(), "readers", "ci", membership)
            .await
            .unwrap();
        assert_eq!(
            granted(&app, &username, &secret, REPOSITORY).await,
            expected,
            "{membership:?}"
        );
    }
}

#[tokio::test]
async fn a_disabled_user_signs_no_more_and_what_it_got_stops() {
    let app = app_of_user(&[cam(&json!([allow("tcr:*", "*")]))]).await;
    let (username, temporary) = app.temporary().await;
    let call = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
    let made = app
        .tencent("CreateInstanceToken", &call)
        .send()
        .await
        .json();
    let long_term = Secret::new(made["Response"]["Token"].as_str().unwrap());
    let query = format!("service={SERVICE}");
    let works = async |secret: &Secret| {
        app.registry(Some((&username, secret.expose())), &query)
            .await
            .status
            == 200
    };
    assert!(works(&temporary).await && works(&long_term).await);
    app.service
        .identity
        .set_user_state(&app.operator(), account(), "ci", UserState::Disabled)
        .await
        .unwrap();
    assert!(!works(&temporary).await && !works(&long_term).await);
    let refused = app
        .tencent("CreateInstanceToken", &call)
        .send()
        .await
        .json();
    assert_eq!(
        refused["Response"]["Error"]["Code"],
        "AuthFailure.SecretIdNotFound"
    );
    app.service
        .identity
        .set_user_state(&app.operator(), account(), "ci", UserState::Active)
        .await
        .unwrap();
    assert!(!works(&temporary).await, "what was temporary stays stopped");
    assert!(works(&long_term).await);
    app.service
        .identity
        .delete_user(&app.operator(), account(), "ci")
        .await
        .unwrap();
    assert!(!works(&long_term).await);
}

#[tokio::test]
async fn the_kill_switch_stops_what_is_temporary_and_nothing_else() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let query = format!("service={SERVICE}");
    assert_eq!(
        app.registry(Some((&username, secret.expose())), &query)
            .await
            .status,
        200
    );
    app.service
        .identity
        .revoke(&app.operator(), &format!("{ACCOUNT}:root").parse().unwrap())
        .await
        .unwrap();
    assert_eq!(
        app.registry(Some((&username, secret.expose())), &query)
            .await
            .status,
        401
    );
    let (username, secret) = app.temporary().await;
    assert_eq!(
        app.registry(Some((&username, secret.expose())), &query)
            .await
            .status,
        200,
        "the key still signs"
    );
}

#[tokio::test]
async fn a_decision_says_which_statement_made_it() {
    let pull = cam(&json!([
        allow("tcr:PullRepository", "*"),
        deny("tcr:PullRepository", "qcs::tcr:::repository/INSTANCE-TCR/secret/*"),
        {
            "effect": "allow",
            "action": "tcr:PushRepository",
            "resource": "*",
            "condition": { "ip_equal": { "qcs:ip": ["192.0.2.0/24"] } },
        },
    ]));
    let app = app_of_user(&[pull]).await;
    let principal = format!("{ACCOUNT}:user/ci").parse().unwrap();
    let explain = async |action: &str, path: &str| {
        let explained = app
            .explain(&principal, action, &app.instance, path, &context())
            .await
            .unwrap();
        format!(
            "{} {}",
            explained.allowed,
            explained.deciding().unwrap().reason
        )
    };
    assert_eq!(
        explain("pull", "team/app").await,
        "true allowed by policy-0 statement[0]"
    );
    assert_eq!(
        explain("pull", "secret/app").await,
        "false denied by policy-0 statement[1]"
    );
    let push = explain("push", "team/app").await;
    assert!(
        push.starts_with(
            "false no statement allows it; closest came policy-0 statement[2], but its condition"
        ),
        "{push}"
    );
}

/// Some policy about pulling, pushing and deleting, in either language; the same for the same
/// `seed`.
fn some_policy(seed: &mut u64) -> Value {
    let mut pick = |most: u64| {
        // A step of a linear congruence (Knuth, MMIX); its high bits are good enough to pick with.
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((*seed >> 33) % most).unwrap()
    };
    let (cam_language, deny) = (pick(2) == 0, pick(3) == 0);
    let path = ["*", "team/*", "team/app", "other/*"][pick(4)];
    let narrow = pick(4) == 0;
    if cam_language {
        let action = [
            "tcr:PullRepository",
            "tcr:PushRepository",
            "tcr:DeleteImage",
            "tcr:P*",
        ][pick(4)];
        let resource = format!("qcs::tcr:::repository/INSTANCE-TCR/{path}");
        let mut statement = json!({
            "effect": if deny { "deny" } else { "allow" },
            "action": action,
            "resource": resource,
        });
        if narrow {
            statement["condition"] =
                json!({ "date_less_than": { "qcs:current_time": "2020-01-01T00:00:00Z" } });
        }
        cam(&json!([statement]))
    } else {
        let action = ["cr:PullRepository", "cr:PushRepository", "cr:DeleteRepoTag"][pick(3)];
        let resource = format!("acs:cr:*:*:repository/INSTANCE-CRI/{path}");
        let mut statement = json!({
            "Effect": if deny { "Deny" } else { "Allow" },
            "Action": action,
            "Resource": resource,
        });
        if narrow {
            statement["Condition"] = json!({
                "StringEquals": { "acs:PrincipalARN": format!("acs:ram::{ACCOUNT}:user/ci") },
            });
        }
        ram(&json!([statement]))
    }
}

#[tokio::test]
async fn every_credential_of_a_principal_decides_alike() {
    let mut seed = 20_261_122;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let mut policies = vec![
            cam_issue(),
            ram(&json!([ram_allow(
                [
                    "cr:GetAuthorizationToken",
                    "cr:CreateInstanceToken",
                    "cr:ResetLoginPassword"
                ],
                "*",
            )])),
        ];
        policies.extend((0..4).map(|_| some_policy(&mut seed)));
        let app = app_of_user(&policies).await;
        let (username, temporary) = app.temporary().await;
        let call = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
        let long_term = app
            .tencent("CreateInstanceToken", &call)
            .send()
            .await
            .json();
        let long_term = Secret::new(long_term["Response"]["Token"].as_str().unwrap());
        let alibaba = app
            .alibaba(
                "GetAuthorizationToken",
                &[("InstanceId", app.instance.cri_id.as_str())],
            )
            .send()
            .await
            .json();
        let alibaba = Secret::new(
            alibaba["AuthorizationToken"]
                .as_str()
                .unwrap_or_else(|| panic!("{alibaba}")),
        );
        let fixed = Secret::new("Passw0rd-EXAMPLE");
        assert_eq!(app.reset_login_password(fixed.expose()).await.status, 200);
        for path in ["team/app", "team/web", "other/app", "third/app"] {
            let scope = format!("repository:{path}:pull,push,delete");
            let by_temporary = granted(&app, &username, &temporary, &scope).await;
            assert_eq!(
                granted(&app, &username, &long_term, &scope).await,
                by_temporary,
                "{policies:?}"
            );
            assert_eq!(
                granted(&app, "cr_temp_user", &alibaba, &scope).await,
                by_temporary,
                "{policies:?}"
            );
            assert_eq!(
                granted(&app, "ci@acme", &fixed, &scope).await,
                by_temporary,
                "{policies:?}"
            );
            seen.insert(
                by_temporary
                    .split_once(':')
                    .map_or_else(String::new, |(_, rest)| {
                        rest.split_once(':').unwrap().1.to_owned()
                    }),
            );
        }
    }
    assert!(
        seen.len() >= 5,
        "the policies decide too much alike to show anything: {seen:?}"
    );
}

#[tokio::test]
async fn nothing_is_granted_on_a_name_that_no_registry_can_have() {
    // A deny on `secret/*` said nothing of these, and a token for them was given out.
    let everything = cam(&json!([
        allow(["*"], ["*"]),
        deny(["*"], ["qcs::tcr:::repository/INSTANCE-TCR/secret/*"]),
    ]));
    let app = app_of_user(&[everything]).await;
    let (username, secret) = app.temporary().await;
    assert_eq!(
        granted(&app, &username, &secret, "repository:team/app:pull").await,
        "repository:team/app:pull"
    );
    let mut paths = [
        "team/../secret/app",
        "./secret/app",
        "secret%2Fapp",
        "Secret/app",
        "secret//app",
        "/secret/app",
        "team/app/",
    ]
    .to_vec();
    let long = "a/".repeat(128) + "a";
    paths.extend(["registry.example.com:5000/secret/app", "secret/app", &long]);
    for path in paths {
        // The form would decode it.
        let scope = format!("repository:{}:pull,push,delete,*", path.replace('%', "%25"));
        assert_eq!(
            granted(&app, &username, &secret, &scope).await,
            "",
            "{path}"
        );
    }
}
