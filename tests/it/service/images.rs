//! Images of registries that are slow, broken or lie. The tests with real clients have a true one.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http::header;
use serde_json::{Value, json};
use transire::domain::instance::{Algorithm, DefaultMark, Instance, KidFormat, RegistryKind};
use transire::domain::repository::Repository;
use transire::service::{InstanceChoice, NewInstance};

use crate::harness::issuer::{Issuer, Reply};
use crate::harness::operator::{context, operator_call};
use crate::harness::{ACCOUNT, App};

const CATALOG: &str = "/v2/_catalog";
const TAGS: &str = "/v2/team/app/tags/list";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The digest of `{}`, which is an image of nothing.
const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// An instance whose registry says whatever a test wants.
struct Stock {
    app: App,
    instance: Instance,
    registry: Issuer,
    repository: Repository,
}

fn manifest(body: &str) -> Reply {
    let reply = Reply {
        body: body.to_owned(),
        ..Reply::json(&Value::Null)
    };
    reply.header(header::CONTENT_TYPE, MANIFEST_TYPE).header(
        header::HeaderName::from_static("docker-content-digest"),
        EMPTY,
    )
}

impl Stock {
    /// Makes a registry with images of these tags in `team/app`, which is recorded.
    async fn with(tags: &[&str]) -> Self {
        let app = Box::pin(App::with(|options| {
            options.service.outgoing.timeout = Duration::from_millis(500)
        }))
        .await;
        // It answers for whatever path it is told to.
        let registry = Issuer::start(&[]).await;
        let new = NewInstance {
            specification: transire::domain::instance::Specification::Premium,
            account: ACCOUNT.parse().unwrap(),
            name: "stock".to_owned(),
            region: "ap-guangzhou".to_owned(),
            service: "stock.example.com".to_owned(),
            kind: RegistryKind::Distribution,
            issuer: None,
            algorithm: Algorithm::Es256,
            kid_format: KidFormat::Thumbprint,
            token_ttl_seconds: None,
            registry_url: Some(registry.url.clone()),
            ecr_host: None,
            default: DefaultMark::Unmarked,
            refresh_tokens: transire::domain::switch::Switch::Off,
            token_log_in: transire::domain::switch::Switch::On,
            ids: None,
        };
        let instance = app
            .service
            .registry
            .create_instance(&app.operator(), new)
            .await
            .unwrap();
        registry.reply(
            CATALOG,
            Reply::json(&json!({ "repositories": ["team/app"] })),
        );
        registry.reply(
            TAGS,
            Reply::json(&json!({ "name": "team/app", "tags": tags })),
        );
        for reference in tags.iter().chain(&[EMPTY]) {
            registry.reply(
                &format!("/v2/team/app/manifests/{reference}"),
                manifest("{}"),
            );
        }
        let choice = InstanceChoice::Tcr(instance.id.clone());
        let imported = app
            .service
            .registry
            .import_repositories(&app.operator(), &choice)
            .await
            .unwrap();
        let [repository] = <[_; 1]>::try_from(imported.repositories).unwrap();
        assert_eq!(repository.path(), "team/app");
        Self {
            app,
            instance,
            registry,
            repository,
        }
    }

    async fn import(&self) -> Result<Vec<String>, String> {
        let choice = InstanceChoice::Tcr(self.instance.id.clone());
        let imported = self
            .app
            .service
            .registry
            .import_repositories(&self.app.operator(), &choice)
            .await;
        imported
            .map(|imported| imported.repositories.iter().map(|one| one.path()).collect())
            .map_err(|error| error.to_string())
    }

    async fn ask(&self, action: &str, more: Value) -> Value {
        let mut body = json!({
            "RegistryId": self.instance.id.as_str(),
            "NamespaceName": "team",
            "RepositoryName": "app",
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.app.tencent(action, &body).send().await.json()["Response"].take()
    }

    /// Returns a page's tags and the total, or the error's code.
    async fn page(&self, offset: u32, limit: u32) -> Result<(Vec<String>, u64), String> {
        let answer = self
            .ask(
                "DescribeImages",
                json!({ "Offset": offset, "Limit": limit }),
            )
            .await;
        match answer["Error"]["Code"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => {
                let tags = answer["ImageInfoList"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| one["ImageVersion"].as_str().unwrap().to_owned());
                Ok((tags.collect(), answer["TotalCount"].as_u64().unwrap()))
            }
        }
    }
}

fn page(tags: &[&str], total: u64) -> Result<(Vec<String>, u64), String> {
    Ok((tags.iter().map(|tag| (*tag).to_owned()).collect(), total))
}

#[tokio::test]
async fn an_image_has_exactly_the_fields_of_the_sdks_models() {
    let stock = Stock::with(&["v1"]).await;
    let mut answer = stock.ask("DescribeImages", json!({})).await;
    answer["RequestId"].take();
    let info = json!({
        "Digest": EMPTY, "Size": 0, "ImageVersion": "v1", "UpdateTime": "1970-01-01T00:00:00Z",
        "Kind": format!("Artifact::{MANIFEST_TYPE}"), "KmsSignature": "",
    });
    assert_eq!(
        answer,
        json!({ "ImageInfoList": [info], "TotalCount": 1, "RequestId": null })
    );
    let mut answer = stock
        .ask("DescribeImageManifests", json!({ "ImageVersion": "v1" }))
        .await;
    answer["RequestId"].take();
    assert_eq!(
        answer,
        json!({ "Manifest": "{}", "Config": "", "Labels": [], "Size": 0, "RequestId": null })
    );
}

/// Checks that an action of Tencent's is refused in each case, before the registry is asked.
async fn refuses<'a>(
    stock: &Stock,
    action: &str,
    cases: impl IntoIterator<Item = (Value, &'a str)>,
) {
    let connections = stock.registry.connections();
    for (more, code) in cases {
        // Two actions with one body in one second would have one signature.
        stock.app.wait(Duration::from_secs(1));
        let answer = stock.ask(action, more.clone()).await;
        assert_eq!(answer["Error"]["Code"], code, "{action} {more}: {answer}");
    }
    assert_eq!(
        stock.registry.connections(),
        connections,
        "the registry was asked"
    );
}

#[tokio::test]
async fn the_parameters_of_describe_images_are_checked_before_anything_is_asked() {
    let stock = Stock::with(&["v1"]).await;
    let cases = [
        (json!({ "RegistryId": null }), "MissingParameter"),
        (json!({ "RepositoryName": null }), "MissingParameter"),
        (json!({ "Limit": "20" }), "InvalidParameter"),
        (json!({ "Limit": 0 }), "InvalidParameterValue"),
        (json!({ "Limit": 1001 }), "InvalidParameterValue"),
        (json!({ "Limit": i64::MAX }), "InvalidParameterValue"),
        (json!({ "Offset": -1 }), "InvalidParameterValue"),
        (
            json!({ "Offset": 4_294_967_296_i64 }),
            "InvalidParameterValue",
        ),
        (json!({ "ExactMatch": "yes" }), "InvalidParameter"),
        (
            json!({ "Digest": "sha256:../../a" }),
            "InvalidParameterValue",
        ),
        (json!({ "SortBy": "name" }), "UnknownParameter"),
        (
            json!({ "RegistryId": "tcr-00000000" }),
            "ResourceNotFound.TcrResourceNotFound",
        ),
        (
            json!({ "RegistryId": stock.app.foreign_instance.id.as_str() }),
            "ResourceNotFound.TcrResourceNotFound",
        ),
        (
            json!({ "RegistryId": stock.app.instance.id.as_str() }),
            "UnsupportedOperation",
        ),
        (json!({ "NamespaceName": "nowhere" }), "ResourceNotFound"),
        (
            json!({ "RepositoryName": "../../_catalog" }),
            "ResourceNotFound",
        ),
        (
            json!({ "RepositoryName": "\u{0}ä".repeat(200) }),
            "ResourceNotFound",
        ),
    ];
    refuses(&stock, "DescribeImages", cases).await;
}

#[tokio::test]
async fn the_parameters_of_describe_image_manifests_are_checked_before_anything_is_asked() {
    let stock = Stock::with(&["v1"]).await;
    let cases = [
        (json!({}), "MissingParameter"),
        (json!({ "ImageVersion": "../a" }), "ResourceNotFound"),
    ];
    refuses(&stock, "DescribeImageManifests", cases).await;
}

#[tokio::test]
async fn the_parameters_of_delete_image_are_checked_before_anything_is_asked() {
    let stock = Stock::with(&["v1"]).await;
    let cases = [
        (json!({}), "MissingParameter"),
        (
            json!({ "ImageVersion": "ä".repeat(200) }),
            "ResourceNotFound",
        ),
        (
            json!({ "ImageVersion": "v1", "Force": true }),
            "UnknownParameter",
        ),
    ];
    refuses(&stock, "DeleteImage", cases).await;
}

#[tokio::test]
async fn the_parameters_of_delete_repository_tags_are_checked_before_anything_is_asked() {
    let stock = Stock::with(&["v1"]).await;
    let cases = [
        (json!({ "Tags": [] }), "MissingParameter"),
        (json!({ "Tags": [1] }), "InvalidParameter"),
        (json!({ "Tags": vec!["a"; 21] }), "InvalidParameterValue"),
    ];
    refuses(&stock, "DeleteRepositoryTags", cases).await;
}

#[tokio::test]
async fn alibabas_parameters_are_checked_before_anything_is_asked() {
    let stock = Stock::with(&["v1"]).await;
    let connections = stock.registry.connections();
    let cri_id = stock.instance.cri_id.as_str();
    let place = [("InstanceId", cri_id), ("RepoId", "crr-0123456789abcdef")];
    for (action, more, code) in [
        ("ListRepoTag", ("RepoId", ""), "MissingRepoId"),
        ("ListRepoTag", ("InstanceId", ""), "MissingInstanceId"),
        ("ListRepoTag", ("PageNo", "0"), "InvalidPageNo"),
        ("ListRepoTag", ("PageSize", "101"), "InvalidPageSize"),
        ("ListRepoTag", ("PageSize", "+1"), "InvalidPageSize"),
        ("ListRepoTag", ("MaxResults", "0"), "InvalidMaxResults"),
        ("ListRepoTag", ("NextToken", "a"), "InvalidNextToken"),
        ("ListRepoTag", ("RepoId", "repo"), "REPO_NOT_EXIST"),
        ("ListRepoTag", ("Other", "1"), "REPO_NOT_EXIST"),
        (
            "ListRepoTag",
            ("InstanceId", stock.app.foreign_instance.cri_id.as_str()),
            "INSTANCE_NOT_EXIST",
        ),
        ("GetRepoTag", ("Other", "1"), "MissingTag"),
        ("DeleteRepoTag", ("Tag", ""), "MissingTag"),
        ("DeleteRepoTag", ("Tag", "v1"), "REPO_NOT_EXIST"),
    ] {
        let query: Vec<_> = place
            .into_iter()
            .filter(|(name, _)| *name != more.0)
            .chain([more])
            .collect();
        let answer = stock.app.alibaba(action, &query).send().await.json();
        assert_eq!(answer["Code"], code, "{action} {more:?}: {answer}");
    }
    assert_eq!(
        stock.registry.connections(),
        connections,
        "the registry was asked"
    );
}

#[tokio::test]
async fn a_walk_is_made_once_for_all_who_wait_and_kept_for_ten_seconds() {
    let stock = Stock::with(&["a", "b", "c"]).await;
    let before = stock.registry.asked(TAGS);
    let all = tokio::join!(
        stock.page(1, 2),
        stock.page(2, 2),
        stock.page(1, 1),
        stock.page(1, 100)
    );
    assert_eq!(
        all,
        (
            page(&["a", "b"], 3),
            page(&["c"], 3),
            page(&["a"], 3),
            page(&["a", "b", "c"], 3)
        )
    );
    assert_eq!(stock.registry.asked(TAGS), before + 1);
    let empty = format!("/v2/team/app/manifests/{EMPTY}");
    let asked = stock.registry.asked(&empty);
    stock
        .registry
        .reply(TAGS, Reply::json(&json!({ "tags": ["a"] })));
    stock.app.wait(Duration::from_millis(9_900));
    assert_eq!(stock.page(2, 2).await, page(&["c"], 3));
    assert_eq!(stock.registry.asked(TAGS), before + 1);
    stock.app.wait(Duration::from_millis(200));
    assert_eq!(stock.page(1, 2).await, page(&["a"], 1));
    assert_eq!(
        stock.registry.asked(&empty),
        asked,
        "what a digest stands for never changes"
    );
}

#[tokio::test]
async fn who_counts_up_to_the_total_gets_there_though_tags_are_gone() {
    let stock = Stock::with(&["a", "b", "c", "d", "e"]).await;
    for gone in ["a", "d"] {
        stock.registry.reply(
            &format!("/v2/team/app/manifests/{gone}"),
            Reply::status(404),
        );
    }
    let mut collected = Vec::new();
    for number in 1..5 {
        let (tags, total) = stock.page(number, 2).await.unwrap();
        collected.extend(tags);
        if collected.len() as u64 == total {
            break;
        }
    }
    assert_eq!(collected, ["b", "c", "e"]);
}

#[tokio::test]
async fn a_registry_that_is_slow_broken_or_lies_is_an_error_and_never_a_hang() {
    let stock = Stock::with(&["v1"]).await;
    let unavailable = Err("InternalError.ErrorTcrInternal".to_owned());
    let evil = r#"<http://192.0.2.1/v2/team/app/tags/list?last=v1>; rel="next""#;
    for (reply, expected) in [
        (Reply::status(500), unavailable.clone()),
        (Reply::status(401), unavailable.clone()),
        (
            Reply::status(302).header(header::LOCATION, "http://192.0.2.1/"),
            unavailable.clone(),
        ),
        (
            Reply {
                body: "<html>".to_owned(),
                ..Reply::status(200)
            },
            unavailable.clone(),
        ),
        (
            Reply {
                body: format!(r#"{{"tags":["{}"]}}"#, "a".repeat(5 << 20)),
                ..Reply::status(200)
            },
            unavailable.clone(),
        ),
        // A next page that is the same again, whatever its address: nobody else is asked.
        (
            Reply::json(&json!({ "tags": ["v1"] })).header(header::LINK, evil),
            unavailable.clone(),
        ),
        (Reply::json(&json!({ "tags": null })), page(&[], 0)),
        (Reply::status(404), page(&[], 0)),
        (
            Reply::json(&json!({ "tags": ["v1", "../../_catalog", ""] })),
            page(&["v1"], 1),
        ),
    ] {
        stock.registry.reply(TAGS, reply.clone());
        // Past what is kept of the answer before.
        stock.app.wait(Duration::from_secs(11));
        assert_eq!(
            stock.page(1, 20).await,
            expected,
            "{} {:.100}",
            reply.status,
            reply.body
        );
    }
    // Other content than the digest says.
    stock.app.wait(Duration::from_secs(11));
    let wrong = format!("sha256:{}", "0".repeat(64));
    let header = header::HeaderName::from_static("docker-content-digest");
    let lie = Reply::json(&json!({})).header(header, &wrong);
    stock
        .registry
        .reply("/v2/team/app/manifests/v1", lie.clone());
    stock
        .registry
        .reply(&format!("/v2/team/app/manifests/{wrong}"), lie);
    assert_eq!(stock.page(1, 20).await, unavailable);

    stock.registry.close();
    stock.app.wait(Duration::from_secs(11));
    let connections = stock.registry.connections();
    let all = tokio::join!(stock.page(1, 1), stock.page(1, 2), stock.page(1, 3));
    assert_eq!(all, (unavailable.clone(), unavailable.clone(), unavailable));
    assert_eq!(
        stock.registry.connections(),
        connections + 1,
        "one failed for all"
    );
    let id = stock.ask("DescribeImages", json!({})).await;
    assert_eq!(
        id["Error"]["Message"],
        "The registry behind the instance does not answer; try again later."
    );
}

#[tokio::test]
async fn next_pages_are_asked_of_the_same_registry_whatever_address_they_name() {
    let stock = Stock::with(&["a"]).await;
    for tag in ["b", "c"] {
        stock
            .registry
            .reply(&format!("/v2/team/app/manifests/{tag}"), manifest("{}"));
    }
    let next = |query: &str| format!("<http://192.0.2.1/elsewhere?{query}>; rel=\"next\"");
    let pages = [
        ("?n=1000", "c", Some("last=c")),
        ("?last=c", "a", Some("last=a&n=1")),
        ("?last=a&n=1", "b", None),
    ];
    for (query, tag, more) in pages {
        let reply = Reply::json(&json!({ "tags": [tag] }));
        let reply = more.map_or_else(
            || reply.clone(),
            |more| reply.clone().header(header::LINK, &next(more)),
        );
        stock.registry.reply(&format!("{TAGS}{query}"), reply);
    }
    stock.app.wait(Duration::from_secs(11));
    assert_eq!(stock.page(1, 20).await, page(&["a", "b", "c"], 3));
    // A registry that takes no such page size is asked without.
    stock
        .registry
        .reply(&format!("{TAGS}?n=1000"), Reply::status(400));
    stock
        .registry
        .reply(TAGS, Reply::json(&json!({ "tags": ["b"] })));
    stock.app.wait(Duration::from_secs(11));
    assert_eq!(stock.page(1, 20).await, page(&["b"], 1));
}

#[tokio::test]
async fn a_configuration_may_lie_in_an_object_store_and_a_digest_unsaid() {
    let stock = Stock::with(&["v1"]).await;
    let digest = |text: &str| format!("sha256:{}", hex::encode(digest(&SHA256, text.as_bytes())));
    let config = r#"{"created":"2022-08-06T07:31:01.2Z"}"#;
    let body = json!({
        "config": { "digest": digest(config), "size": 40 },
        "layers": [{ "digest": EMPTY, "size": 2 }],
    })
    .to_string();
    for reference in ["v1", &digest(&body)] {
        let reply = Reply {
            body: body.clone(),
            ..Reply::json(&Value::Null)
        };
        stock.registry.reply(
            &format!("/v2/team/app/manifests/{reference}"),
            reply.header(header::CONTENT_TYPE, MANIFEST_TYPE),
        );
    }
    let store = Issuer::start(&[]).await;
    let redirect = Reply::status(307).header(
        header::LOCATION,
        &format!("{}/bucket/a?signature=b", store.url),
    );
    stock
        .registry
        .reply(&format!("/v2/team/app/blobs/{}", digest(config)), redirect);
    store.reply(
        "/bucket/a",
        Reply {
            body: config.to_owned(),
            ..Reply::status(200)
        },
    );
    let answer = stock.ask("DescribeImages", json!({})).await;
    let info = &answer["ImageInfoList"][0];
    assert_eq!(
        [&info["Digest"], &info["Size"], &info["UpdateTime"]],
        [
            &json!(digest(&body)),
            &json!(42),
            &json!("2022-08-06T07:31:01.200Z")
        ]
    );
}

#[tokio::test]
async fn a_repository_that_is_to_be_forgotten_loses_every_image() {
    let stock = Stock::with(&["a", "b"]).await;
    let place = |tag: &str| format!("/v2/team/app/manifests/{tag}");
    let imported = ["a", "b"].map(|tag| stock.registry.asked(&place(tag)));
    let service = &stock.app.service;
    Box::pin(service.registry.delete_every_image(
        &operator_call(service),
        &stock.instance,
        &stock.repository,
    ))
    .await
    .unwrap();
    // Each is asked what it stands for, and deleted.
    assert_eq!(
        ["a", "b"].map(|tag| stock.registry.asked(&place(tag))),
        imported.map(|before| before + 2)
    );
    stock.registry.reply(TAGS, Reply::status(404));
    Box::pin(service.registry.delete_every_image(
        &operator_call(service),
        &stock.instance,
        &stock.repository,
    ))
    .await
    .unwrap();
    // Without a registry there is nothing to delete.
    let bare = Instance {
        registry_url: None,
        ecr_host: None,
        ..stock.instance.clone()
    };
    Box::pin(service.registry.delete_every_image(
        &operator_call(service),
        &bare,
        &stock.repository,
    ))
    .await
    .unwrap();
}

#[tokio::test]
async fn what_a_catalog_has_is_recorded_where_it_can_be_shown() {
    let stock = Stock::with(&["v1"]).await;
    let names = [
        "team/app",
        "team/new",
        "team/emptied",
        "alone",
        "x/short",
        "team/UP",
        "team/../../etc",
        "more/deep/er",
    ];
    stock
        .registry
        .reply(CATALOG, Reply::json(&json!({ "repositories": names })));
    for (name, tags) in [
        ("team/new", json!(["a"])),
        ("team/emptied", json!(null)),
        ("more/deep/er", json!(["a"])),
    ] {
        stock.registry.reply(
            &format!("/v2/{name}/tags/list"),
            Reply::json(&json!({ "tags": tags })),
        );
    }
    // For who lists: only where the namespace is recorded, and once in ten seconds.
    let asked = stock.registry.asked(CATALOG);
    let context = context();
    let read = || {
        stock
            .app
            .service
            .registry
            .import_catalog(&stock.instance, &context)
    };
    tokio::join!(read(), read());
    assert_eq!(stock.registry.asked(CATALOG), asked + 1);
    let choice = InstanceChoice::Tcr(stock.instance.id.clone());
    let imported = stock
        .app
        .service
        .registry
        .import_repositories(&stock.app.operator(), &choice)
        .await
        .unwrap();
    assert_eq!(
        imported
            .repositories
            .iter()
            .map(|one| one.path())
            .collect::<Vec<_>>(),
        ["more/deep/er"]
    );
    assert_eq!(imported.namespaces, ["more"]);
    assert_eq!(
        imported.left_out,
        ["alone", "team/../../etc", "team/UP", "x/short"]
    );
    assert!(imported.complete);
    assert_eq!(stock.import().await.unwrap(), Vec::<String>::new());
    // A failure is no failure of the list's, and is not repeated for ten seconds.
    stock.registry.reply(CATALOG, Reply::status(500));
    stock.app.wait(Duration::from_secs(11));
    let asked = stock.registry.asked(CATALOG);
    for _ in 0..2 {
        read().await;
    }
    assert_eq!(stock.registry.asked(CATALOG), asked + 1);
    assert!(
        stock
            .import()
            .await
            .unwrap_err()
            .contains("answers with what can't be used")
    );
}
