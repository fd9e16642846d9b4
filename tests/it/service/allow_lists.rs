//! Endpoints and allow lists: both cloud APIs manage them, and the token endpoint enforces them.

use http::{Request, header};
use serde_json::{Value, json};
use transire::domain::clock::Timestamp;
use transire::domain::instance::OldRefreshTokens;
use transire::domain::switch::Switch;
use transire::service::{AuditFilter, InstanceChoice};

use crate::harness::{Answer, App};

/// Asks for a token from an address, with a temporary credential or none.
async fn from(
    app: &App,
    service: &str,
    credential: Option<(&str, &str)>,
    peer: &str,
    forwarded: Option<&str>,
) -> Answer {
    use base64::Engine;
    let mut request = Request::get(format!(
        "/token?service={service}&scope=repository:team/app:pull"
    ));
    if let Some((username, secret)) = credential {
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(format!("{username}:{secret}"));
        request = request.header(header::AUTHORIZATION, format!("Basic {encoded}"));
    }
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    let mut request = request.body(axum::body::Body::empty()).unwrap();
    request
        .extensions_mut()
        .insert(crate::harness::Peer(peer.parse().unwrap()));
    app.send(request).await
}

/// An instance that an API made, with a credential for it.
struct Made {
    app: App,
    id: String,
    cri: String,
    username: String,
    secret: String,
}

impl Made {
    async fn new() -> Self {
        let app = App::with_base_domain().await;
        let (id, cri) = app.made("team-registry").await;
        let token = app
            .tcr(
                "CreateInstanceToken",
                json!({ "RegistryId": id, "TokenType": "longterm" }),
            )
            .await;
        let text = |name: &str| token[name].as_str().unwrap().to_owned();
        Self {
            id,
            cri,
            username: text("Username"),
            secret: text("Token"),
            app,
        }
    }

    async fn from(&self, peer: &str) -> Answer {
        from(
            &self.app,
            "team-registry.registry.example.com",
            Some((&self.username, &self.secret)),
            peer,
            None,
        )
        .await
    }

    async fn statuses<const N: usize>(&self, peers: [&str; N]) -> [u16; N] {
        let mut statuses = [0; N];
        for (status, peer) in statuses.iter_mut().zip(peers) {
            *status = self.from(peer).await.status.as_u16();
        }
        statuses
    }

    fn endpoint(&self) -> [(&'static str, &str); 2] {
        [("InstanceId", &self.cri), ("EndpointType", "internet")]
    }

    /// Returns the parameters that name its endpoint, and more.
    fn with<'a>(&'a self, more: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
        [&self.endpoint()[..], more].concat()
    }

    /// Returns its endpoint, as Alibaba's API shows it.
    async fn shown(&self) -> Value {
        self.app.cr("GetInstanceEndpoint", &self.endpoint()).await
    }

    async fn open(&self) {
        assert_eq!(
            self.app
                .cr(
                    "UpdateInstanceEndpointStatus",
                    &self.with(&[("Enable", "true"), ("ModuleName", "Registry")])
                )
                .await,
            json!({})
        );
    }

    /// Lets the addresses of an office and of a laboratory in, by one call with one entry and one
    /// with two.
    async fn let_in(&self) {
        let office = self.with(&[("Entry", "192.0.2.0/24"), ("Comment", "office")]);
        assert_eq!(
            self.app
                .cr("CreateInstanceEndpointAclPolicy", &office)
                .await,
            json!({})
        );
        let two = r#"[{"Entry":"198.51.100.0/24","Comment":"lab"},{"Entry":"2001:db8::1"}]"#;
        assert_eq!(
            self.app
                .cr(
                    "CreateInstanceEndpointAclPolicy",
                    &self.with(&[("Entries", two)])
                )
                .await,
            json!({})
        );
    }

    async fn policies(&self) -> Value {
        self.app
            .tcr("DescribeSecurityPolicies", json!({ "RegistryId": self.id }))
            .await["SecurityPolicySet"]
            .clone()
    }
}

/// Checks that a client was sent away for its address, and returns what it hears.
fn sent_away(answer: &Answer) -> String {
    assert_eq!(
        answer.status.as_u16(),
        403,
        "a 401 would make clients throw a good credential away"
    );
    let body = answer.json();
    assert_eq!(body["errors"][0]["code"], "DENIED");
    body["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn terraforms_sequence_opens_an_instance_to_whom_it_names() {
    let made = Made::new().await;
    let (app, id) = (&made.app, &made.id);
    assert!(
        sent_away(&made.from("192.0.2.7:1").await).contains("closed"),
        "an instance of an API begins closed"
    );
    let status = async || {
        app.tcr(
            "DescribeExternalEndpointStatus",
            json!({ "RegistryId": id }),
        )
        .await
    };
    assert_eq!(status().await, json!({ "Status": "Closed", "Reason": "" }));

    let opened = app
        .tcr(
            "ManageExternalEndpoint",
            json!({ "RegistryId": id, "Operation": "Create" }),
        )
        .await;
    assert_eq!(opened, json!({ "RegistryId": id }));
    assert_eq!(status().await, json!({ "Status": "Opened", "Reason": "" }));
    let message = sent_away(&made.from("192.0.2.7:1").await);
    assert!(
        message.contains("192.0.2.7") && message.contains("allow list"),
        "{message}"
    );

    let entries = json!([
        { "CidrBlock": "192.0.2.0/24", "Description": "office" },
        { "CidrBlock": "2001:db8::/32" },
    ]);
    let added = app
        .tcr(
            "CreateMultipleSecurityPolicy",
            json!({ "RegistryId": id, "SecurityGroupPolicySet": entries }),
        )
        .await;
    assert_eq!(added, json!({ "RegistryId": id }));
    assert_eq!(
        made.statuses([
            "192.0.2.7:1",
            "198.51.100.7:1",
            "[2001:db8::1]:1",
            "[2001:db9::1]:1",
            "[::ffff:192.0.2.7]:1"
        ])
        .await,
        [200, 403, 200, 403, 200]
    );
    let gone = json!({ "RegistryId": id, "SecurityGroupPolicySet": entries });
    app.tcr("DeleteMultipleSecurityPolicy", gone).await;
    assert_eq!(made.policies().await, json!([]));
    assert_eq!(
        made.statuses(["192.0.2.7:1"]).await,
        [403],
        "an empty list lets nobody in"
    );
    app.tcr(
        "ManageExternalEndpoint",
        json!({ "RegistryId": id, "Operation": "Delete" }),
    )
    .await;
    assert_eq!(status().await["Status"], "Closed");
}

/// An instance with three security policies.
async fn three_policies() -> Made {
    let made = Made::new().await;
    let (app, id) = (&made.app, &made.id);
    let create = async |cidr: &str, description: &str| {
        app.tcr(
            "CreateSecurityPolicy",
            json!({ "RegistryId": id, "CidrBlock": cidr, "Description": description }),
        )
        .await
    };
    for (cidr, description) in [
        ("3.3.3.3", "one"),
        ("192.168.0.77/24", "two"),
        ("10.0.0.0/8", ""),
    ] {
        assert_eq!(create(cidr, description).await, json!({ "RegistryId": id }));
    }
    made
}

#[tokio::test]
async fn security_policies_are_listed_in_order_as_they_were_written() {
    let made = three_policies().await;
    let listed = made.policies().await;
    let version = listed[0]["PolicyVersion"].as_str().unwrap().to_owned();
    let entry = |index: usize, description: &str, cidr: &str, version: &str| {
        json!({
            "PolicyIndex": index,
            "Description": description,
            "CidrBlock": cidr,
            "PolicyVersion": version,
        })
    };
    // As it was written: Terraform compares it.
    let expected = json!([
        entry(0, "one", "3.3.3.3", &version),
        entry(1, "two", "192.168.0.77/24", &version),
        entry(2, "", "10.0.0.0/8", &version)
    ]);
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn security_policies_are_shown_at_the_other_door() {
    let made = three_policies().await;
    let other_door = made.app.cr("GetInstanceEndpoint", &made.endpoint()).await;
    assert_eq!(
        other_door["AclEntries"][1],
        json!({ "Entry": "192.168.0.77/24", "Comment": "two" })
    );
}

#[tokio::test]
async fn a_changed_security_policy_has_another_version() {
    let made = three_policies().await;
    let (app, id) = (&made.app, &made.id);
    let listed = made.policies().await;
    let version = listed[0]["PolicyVersion"].as_str().unwrap().to_owned();
    let modify = json!({
        "RegistryId": id,
        "PolicyIndex": 1,
        "CidrBlock": "198.51.100.0/24",
        "Description": "new",
    });
    assert_eq!(
        app.tcr("ModifySecurityPolicy", modify).await,
        json!({ "RegistryId": id })
    );
    let listed = made.policies().await;
    assert_eq!(
        (&listed[1]["CidrBlock"], &listed[1]["Description"]),
        (&json!("198.51.100.0/24"), &json!("new"))
    );
    assert_ne!(listed[0]["PolicyVersion"], json!(version));
}

#[tokio::test]
async fn a_security_policy_is_deleted_by_its_place_and_the_lists_version() {
    let made = three_policies().await;
    let (app, id) = (&made.app, &made.id);
    let listed = made.policies().await;
    let version = listed[0]["PolicyVersion"].as_str().unwrap().to_owned();
    app.tcr(
        "ModifySecurityPolicy",
        json!({
            "RegistryId": id,
            "PolicyIndex": 1,
            "CidrBlock": "198.51.100.0/24",
            "Description": "new",
        }),
    )
    .await;
    let listed = made.policies().await;
    let old = json!({ "RegistryId": id, "PolicyIndex": 0, "PolicyVersion": version });
    assert_eq!(
        app.tcr_refused("DeleteSecurityPolicy", old).await,
        "FailedOperation.PreconditionFailed"
    );
    let now = listed[0]["PolicyVersion"].clone();
    app.tcr(
        "DeleteSecurityPolicy",
        json!({ "RegistryId": id, "PolicyIndex": 0, "PolicyVersion": now }),
    )
    .await;
    assert_eq!(made.policies().await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_range_of_a_security_policy_wins_over_its_place() {
    let made = three_policies().await;
    let (app, id) = (&made.app, &made.id);
    // The range wins over the place.
    app.tcr(
        "DeleteSecurityPolicy",
        json!({ "RegistryId": id, "PolicyIndex": 0, "CidrBlock": "10.0.0.0/8" }),
    )
    .await;
    let left = made.policies().await;
    let left: Vec<_> = left
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["CidrBlock"].as_str().unwrap())
        .collect();
    assert_eq!(left, ["3.3.3.3", "192.168.0.77/24"]);
}

/// Checks that an action at an instance with one policy is refused in each case, and that nothing
/// is half done.
async fn refuses<'a>(made: &Made, action: &str, cases: impl IntoIterator<Item = (Value, &'a str)>) {
    let app = &made.app;
    app.tcr(
        "CreateSecurityPolicy",
        json!({ "RegistryId": made.id, "CidrBlock": "198.51.100.0/24", "Description": "new" }),
    )
    .await;
    let left = made.policies().await;
    for (body, code) in cases {
        assert_eq!(
            app.tcr_refused(action, body.clone()).await,
            code,
            "{action} {body}"
        );
    }
    assert_eq!(made.policies().await, left, "nothing was half done");
}

#[tokio::test]
async fn the_parameters_of_create_security_policy_are_checked() {
    let made = Made::new().await;
    let id = &made.id;
    let new = |cidr: Value| json!({ "RegistryId": id, "CidrBlock": cidr, "Description": "x" });
    let cases = [
        (new(json!("198.51.100.9/24")), "ResourceInUse"),
        (new(json!("1.2.3.4/33")), "InvalidParameterValue"),
        (new(json!("example.com")), "InvalidParameterValue"),
        (new(json!(7)), "InvalidParameter"),
        (
            json!({ "RegistryId": id, "CidrBlock": "1.2.3.4" }),
            "MissingParameter",
        ),
        (
            json!({ "RegistryId": id, "CidrBlock": "1.2.3.4", "Description": "a\nb" }),
            "InvalidParameterValue",
        ),
        (
            json!({ "RegistryId": id, "CidrBlock": "1.2.3.4", "Description": "", "Port": 1 }),
            "UnknownParameter",
        ),
    ];
    refuses(&made, "CreateSecurityPolicy", cases).await;
}

#[tokio::test]
async fn the_parameters_of_create_multiple_security_policy_are_checked() {
    let made = Made::new().await;
    let id = &made.id;
    let set = |entries: Value| json!({ "RegistryId": id, "SecurityGroupPolicySet": entries });
    let cases = [
        (set(json!([])), "MissingParameter"),
        (set(json!([{ "Description": "x" }])), "MissingParameter"),
        (set(json!(["1.2.3.4"])), "InvalidParameter"),
        (
            set(json!([{ "CidrBlock": "1.2.3.4" }, { "CidrBlock": "1.2.3.4/32" }])),
            "ResourceInUse",
        ),
    ];
    refuses(&made, "CreateMultipleSecurityPolicy", cases).await;
}

#[tokio::test]
async fn the_parameters_of_modify_security_policy_are_checked() {
    let made = Made::new().await;
    let id = &made.id;
    let cases = [
        (
            json!({ "RegistryId": id, "CidrBlock": "1.2.3.4", "Description": "" }),
            "MissingParameter",
        ),
        (
            json!({
                "RegistryId": id,
                "PolicyIndex": 7,
                "CidrBlock": "1.2.3.4",
                "Description": "",
            }),
            "ResourceNotFound",
        ),
        (
            json!({
                "RegistryId": id,
                "PolicyIndex": -1,
                "CidrBlock": "1.2.3.4",
                "Description": "",
            }),
            "InvalidParameterValue",
        ),
    ];
    refuses(&made, "ModifySecurityPolicy", cases).await;
}

#[tokio::test]
async fn the_parameters_of_delete_security_policy_are_checked() {
    let made = Made::new().await;
    let id = &made.id;
    let cases = [
        (json!({ "RegistryId": id }), "MissingParameter"),
        (
            json!({ "RegistryId": id, "CidrBlock": "9.9.9.9" }),
            "ResourceNotFound",
        ),
        (
            json!({ "RegistryId": id, "PolicyIndex": 0, "PolicyVersion": "x" }),
            "InvalidParameterValue",
        ),
    ];
    refuses(&made, "DeleteSecurityPolicy", cases).await;
}

#[tokio::test]
async fn the_parameters_of_delete_multiple_security_policy_are_checked() {
    let made = Made::new().await;
    let id = &made.id;
    let set = |entries: Value| json!({ "RegistryId": id, "SecurityGroupPolicySet": entries });
    let cases = [(
        set(json!([{ "CidrBlock": "198.51.100.0/24" }, { "CidrBlock": "9.9.9.9" }])),
        "ResourceNotFound",
    )];
    refuses(&made, "DeleteMultipleSecurityPolicy", cases).await;
}

#[tokio::test]
async fn the_parameters_of_manage_external_endpoint_are_checked() {
    let made = Made::new().await;
    let id = &made.id;
    let cases = [
        (
            json!({ "RegistryId": id, "Operation": "Open" }),
            "InvalidParameterValue",
        ),
        (json!({ "RegistryId": id }), "MissingParameter"),
    ];
    refuses(&made, "ManageExternalEndpoint", cases).await;
}

#[tokio::test]
async fn the_parameters_of_describe_security_policies_are_checked() {
    let made = Made::new().await;
    let cases = [
        (json!({}), "MissingParameter"),
        (
            json!({ "RegistryId": "tcr-zzzzzzzz" }),
            "ResourceNotFound.TcrResourceNotFound",
        ),
    ];
    refuses(&made, "DescribeSecurityPolicies", cases).await;
}

#[tokio::test]
async fn the_parameters_of_describe_external_endpoint_status_are_checked() {
    let made = Made::new().await;
    let cases = [(
        json!({ "RegistryId": made.app.foreign_instance.id.as_str() }),
        "ResourceNotFound.TcrResourceNotFound",
    )];
    refuses(&made, "DescribeExternalEndpointStatus", cases).await;
}

#[tokio::test]
async fn a_list_has_a_quota() {
    let app = App::with(|options| options.service.quotas.allow_list_entries = 2).await;
    let id = app.instance.id.as_str();
    let three = json!([
        { "CidrBlock": "10.0.0.1" },
        { "CidrBlock": "10.0.0.2" },
        { "CidrBlock": "10.0.0.3" },
    ]);
    let wanted = json!({ "RegistryId": id, "SecurityGroupPolicySet": three });
    assert_eq!(
        app.tcr_refused("CreateMultipleSecurityPolicy", wanted)
            .await,
        "LimitExceeded"
    );
    let cri = app.instance.cri_id.as_str();
    let entries = r#"[{"Entry":"10.0.0.1"},{"Entry":"10.0.0.2"},{"Entry":"10.0.0.3"}]"#;
    let wanted = [
        ("InstanceId", cri),
        ("EndpointType", "internet"),
        ("Entries", entries),
    ];
    assert_eq!(
        app.cr_refused("CreateInstanceEndpointAclPolicy", &wanted)
            .await,
        (400, "QuotaExceeded".to_owned())
    );
    assert_eq!(
        app.cr("GetInstanceEndpoint", &wanted[..2]).await["AclEnable"],
        false,
        "what is refused closes nothing"
    );
}

#[tokio::test]
async fn alibabas_sequence_opens_an_instance_to_whom_it_names() {
    let made = Made::new().await;
    let app = &made.app;
    let domains = json!([{ "Type": "SYSTEM", "Domain": "team-registry.registry.example.com" }]);
    let closed = json!({
        "Status": "RUNNING",
        "Enable": false,
        "AclEnable": true,
        "Domains": domains,
        "AclEntries": [],
    });
    assert_eq!(made.shown().await, closed);
    made.open().await;
    let local = json!({ "Entry": "127.0.0.1/32", "Comment": "" });
    let open = json!({
        "Status": "RUNNING",
        "Enable": true,
        "AclEnable": true,
        "Domains": domains,
        "AclEntries": [local],
    });
    assert_eq!(made.shown().await, open);
    assert_eq!(
        made.statuses(["127.0.0.1:1", "192.0.2.7:1"]).await,
        [200, 403]
    );

    made.let_in().await;
    assert_eq!(
        made.statuses([
            "192.0.2.7:1",
            "198.51.100.1:1",
            "[2001:db8::1]:1",
            "203.0.113.1:1"
        ])
        .await,
        [200, 200, 200, 403]
    );
    let listed = app
        .cr("ListInstanceEndpoint", &[("InstanceId", &made.cri)])
        .await;
    let entries = [
        "127.0.0.1/32",
        "192.0.2.0/24",
        "198.51.100.0/24",
        "2001:db8::1",
    ]
    .map(|entry| json!({ "Entry": entry }));
    assert_eq!(
        listed,
        json!({
            "Endpoints": [{
                "EndpointType": "internet",
                "Status": "RUNNING",
                "Enable": true,
                "AclEnable": true,
                "Domains": domains,
                "LinkedVpcs": [],
                "AclEntries": entries,
            }],
        })
    );
    let summary = app
        .cr(
            "ListInstanceEndpoint",
            &[("InstanceId", &made.cri), ("Summary", "true")],
        )
        .await;
    assert_eq!(summary["Endpoints"][0]["AclEntries"], json!([]));
    assert_eq!(
        made.policies().await[1]["CidrBlock"],
        "192.0.2.0/24",
        "Tencent's door shows the same list"
    );
}

#[tokio::test]
async fn alibabas_entries_are_removed_and_those_that_stay_outlast_the_closing() {
    let made = Made::new().await;
    let app = &made.app;
    made.open().await;
    made.let_in().await;
    let gone = r#"[{"Entry":"198.51.100.0/24"},{"Entry":"2001:db8::1","Comment":"x"}]"#;
    assert_eq!(
        app.cr(
            "DeleteInstanceEndpointAclPolicy",
            &made.with(&[("Entries", gone)])
        )
        .await,
        json!({})
    );
    assert_eq!(
        app.cr(
            "DeleteInstanceEndpointAclPolicy",
            &made.with(&[("Entry", "192.0.2.0/24")])
        )
        .await,
        json!({})
    );
    assert_eq!(
        made.shown().await["AclEntries"],
        json!([{ "Entry": "127.0.0.1/32", "Comment": "" }])
    );
    // Opened again, it is as it was: the list is not touched.
    app.cr(
        "UpdateInstanceEndpointStatus",
        &made.with(&[("Enable", "true")]),
    )
    .await;
    app.cr(
        "UpdateInstanceEndpointStatus",
        &made.with(&[("Enable", "false")]),
    )
    .await;
    assert_eq!(
        (
            made.statuses(["127.0.0.1:1"]).await,
            made.shown().await["Enable"].clone()
        ),
        ([403], json!(false))
    );
}

#[tokio::test]
async fn each_fault_of_alibabas_endpoint_calls_has_its_code() {
    let made = Made::new().await;
    let app = &made.app;
    made.open().await;
    let with = |more: &[(&'static str, &'static str)]| made.with(more);
    let refused =
        async |action: &str, query: Vec<(&'static str, &str)>| app.cr_refused(action, &query).await;
    let create = "CreateInstanceEndpointAclPolicy";
    let bad = |code: &str| (400, code.to_owned());
    assert_eq!(
        refused(create, with(&[("Entry", "127.0.0.1")])).await,
        bad("ALLOW_LIST_ENTRY_ALREADY_EXIST")
    );
    assert_eq!(
        refused(create, with(&[("Entry", "1.2.3.4/33")])).await,
        bad("InvalidEntry")
    );
    assert_eq!(refused(create, with(&[])).await, bad("MissingEntry"));
    for entries in [
        "",
        "x",
        "[]",
        "{}",
        r#"[{"Comment":"x"}]"#,
        r#"["1.2.3.4"]"#,
    ] {
        let code = if entries.is_empty() {
            "MissingEntry"
        } else {
            "InvalidEntries"
        };
        assert_eq!(
            refused(create, with(&[("Entries", entries)])).await,
            bad(code),
            "{entries}"
        );
    }
    assert_eq!(
        refused(create, with(&[("Entries", "[]"), ("Entry", "1.2.3.4")])).await,
        bad("InvalidEntries")
    );
    let delete = "DeleteInstanceEndpointAclPolicy";
    assert_eq!(
        refused(delete, with(&[("Entry", "9.9.9.9")])).await,
        (404, "ALLOW_LIST_ENTRY_NOT_EXIST".to_owned())
    );
    assert_eq!(
        refused("UpdateInstanceEndpointStatus", with(&[])).await,
        bad("MissingEnable")
    );
    assert_eq!(
        refused("UpdateInstanceEndpointStatus", with(&[("Enable", "yes")])).await,
        bad("InvalidEnable")
    );
    assert_eq!(
        refused("GetInstanceEndpoint", vec![("InstanceId", &made.cri)]).await,
        bad("MissingEndpointType")
    );
    let kind = |kind: &'static str| vec![("InstanceId", made.cri.as_str()), ("EndpointType", kind)];
    assert_eq!(
        refused("GetInstanceEndpoint", kind("VPC")).await,
        bad("UnsupportedOperation")
    );
    assert_eq!(
        refused("GetInstanceEndpoint", kind("moon")).await,
        bad("InvalidEndpointType")
    );
    assert_eq!(
        app.cr("GetInstanceEndpoint", &kind("Internet")).await["Status"],
        "RUNNING"
    );
    assert_eq!(
        refused("GetInstanceEndpoint", with(&[("ModuleName", "Chart")])).await,
        bad("UnsupportedOperation")
    );
    assert_eq!(
        refused(
            "ListInstanceEndpoint",
            vec![("InstanceId", "cri-zzzzzzzzzzzzzzzz")]
        )
        .await
        .0,
        404
    );
}

#[tokio::test]
async fn an_instance_of_the_operators_is_open_until_its_list_has_an_entry() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let status = async |peer: &str| {
        from(
            &app,
            crate::harness::SERVICE,
            Some((&username, secret.expose())),
            peer,
            None,
        )
        .await
        .status
        .as_u16()
    };
    assert_eq!(status("203.0.113.1:1").await, 200);
    let id = app.instance.id.as_str();
    app.tcr(
        "CreateSecurityPolicy",
        json!({ "RegistryId": id, "CidrBlock": "192.0.2.0/24", "Description": "" }),
    )
    .await;
    assert_eq!(
        (status("203.0.113.1:1").await, status("192.0.2.1:1").await),
        (403, 200)
    );
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    app.service
        .registry
        .set_allow_list(&app.operator(), &choice, Switch::Off)
        .await
        .unwrap();
    assert_eq!(status("203.0.113.1:1").await, 200);
    app.service
        .registry
        .set_allow_list(&app.operator(), &choice, Switch::On)
        .await
        .unwrap();
    assert_eq!(status("203.0.113.1:1").await, 403);
}

#[tokio::test]
async fn a_trusted_proxy_says_who_comes_and_a_stranger_does_not() {
    let app =
        App::with(|options| options.http.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()])
            .await;
    let (username, secret) = app.temporary().await;
    let id = app.instance.id.as_str();
    app.tcr(
        "CreateSecurityPolicy",
        json!({ "RegistryId": id, "CidrBlock": "192.0.2.0/24", "Description": "" }),
    )
    .await;
    let status = async |peer: &str, forwarded: &str| {
        from(
            &app,
            crate::harness::SERVICE,
            Some((&username, secret.expose())),
            peer,
            Some(forwarded),
        )
        .await
        .status
        .as_u16()
    };
    assert_eq!(status("10.0.0.1:1", "192.0.2.7").await, 200);
    assert_eq!(status("10.0.0.1:1", "198.51.100.7").await, 403);
    assert_eq!(status("198.51.100.7:1", "192.0.2.7").await, 403);
}

#[tokio::test]
async fn whoever_may_not_come_in_learns_nothing_of_credentials_and_is_written_down() {
    let made = Made::new().await;
    let app = &made.app;
    let service = "team-registry.registry.example.com";
    let right = from(
        app,
        service,
        Some((&made.username, &made.secret)),
        "192.0.2.7:1",
        None,
    )
    .await;
    let wrong = from(
        app,
        service,
        Some((&made.username, "wrong")),
        "192.0.2.7:1",
        None,
    )
    .await;
    let nobody = from(app, service, None, "192.0.2.7:1", None).await;
    assert_eq!(sent_away(&right), sent_away(&wrong));
    assert_eq!(sent_away(&right), sent_away(&nobody));
    // A refresh token is no way around.
    app.tcr(
        "ManageExternalEndpoint",
        json!({ "RegistryId": made.id, "Operation": "Create" }),
    )
    .await;
    app.tcr(
        "CreateSecurityPolicy",
        json!({ "RegistryId": made.id, "CidrBlock": "0.0.0.0/0", "Description": "" }),
    )
    .await;
    let form = format!(
        "grant_type=password&service={service}&client_id=test&access_type=offline&username={}\
         &password={}",
        made.username, made.secret
    );
    app.set_refresh_tokens(
        &made.id.parse().unwrap(),
        Switch::On,
        OldRefreshTokens::Keep,
    )
    .await;
    let refresh = app.registry_form(&form).await.json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    app.tcr(
        "DeleteSecurityPolicy",
        json!({ "RegistryId": made.id, "PolicyIndex": 0 }),
    )
    .await;
    let form = format!(
        "grant_type=refresh_token&service={service}&client_id=test&refresh_token={refresh}"
    );
    sent_away(&app.registry_form(&form).await);

    app.service.ledger.close().await;
    let end = Timestamp::from_unix_millis(i64::MAX);
    let lines = crate::harness::audit::listed(
        &app.service,
        &AuditFilter::between(Timestamp::from_unix_seconds(0), end),
    )
    .await;
    let refused: Vec<_> = lines
        .iter()
        .filter(|line| line.action == "registry.log-in" && line.outcome == "refused")
        .collect();
    assert_eq!(refused.len(), 4, "{refused:?}");
    assert!(
        refused
            .iter()
            .all(|line| line.service.as_deref() == Some(service))
    );
    assert_eq!(refused[0].address.as_deref(), Some("192.0.2.7"));
    assert!(refused[0].credential_id.is_some() && refused[2].credential_id.is_none());
}
