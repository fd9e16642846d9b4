//! Deletes that go through several nouns: what they take from the tables is compared with what the
//! feed announces.
//!
//! The foreign keys say which tables have rows that belong to another row, the list of nouns says
//! as which entities their changes are announced. A new table is therefore compared without a line
//! here, but for its row in [`Filled`].

use std::collections::BTreeSet;

use super::identities::{
    credential_of, group, key_of, policy, role, to_group, to_role, to_user, user,
};
use super::log_ins::service_account;
use super::registry::{allowed, namespace, repository, tag};
use super::*;
use crate::domain::credential::PasswordHash;
use crate::domain::identity::{Role, User};
use crate::domain::namespace::Namespace;
use crate::store::cascade::Contents;
use crate::store::instance_key::{self as instance_keys, InstanceKeyRow, InstanceKeyState};
use crate::store::nouns::TABLES;
use crate::store::policy::{self as policies, PolicyKind};
use crate::store::portable::{self, Hold, Piece};
use crate::store::session_policy::{self as session_policies, Most, SessionPolicy};
use crate::store::tag::Tagged;
use crate::store::{
    access_key as access_keys, account as accounts, allow_list as allow_lists,
    credential as credentials, fixed_password as fixed_passwords, group as groups,
    instance as instances, namespace as namespaces, repository as repositories, role as roles,
    service_account as service_accounts, tag as tags, user as users,
};

/// Every write leaves rows here, whatever it deletes.
const OF_WRITES: [&str; 3] = ["operation", "change_counter", "change"];

/// Rows that stay as they are when the principal goes that they name: the sessions that have such a
/// policy end by the principal's generation, and it is trimmed with the last of them.
const STAYS: [&str; 1] = ["session_policy"];

/// A row, as `(TABLE, VALUES)`.
type Stored = (String, Vec<Value>);

/// A foreign key: each of the columns of a table, and the column of another one that it refers to.
struct ForeignKey {
    table: String,
    to: String,
    columns: Vec<(String, String)>,
}

/// A deleted thing: its row, and the values by which columns without a foreign key name it.
struct Deleted<'a> {
    table: &'static str,
    column: &'static str,
    value: Value,
    names: &'a [&'a str],
}

/// A store in which everything that can be deleted has a row of every kind that belongs to it.
struct Filled {
    place: Place,
    store: Store,
    keys: Vec<ForeignKey>,
    owner: Account,
    home: Instance,
    team: Namespace,
    ann: User,
    puller: Role,
}

impl Filled {
    async fn new() -> Self {
        let (place, sqlite, store) = super::files::open().await;
        let keys = sqlite.on_writer(foreign_keys).await;
        let owner = account(1);
        let (home, other) = (instance(&owner, "home"), instance(&owner, "other"));
        let (team, away) = (namespace(&home, "team"), namespace(&other, "away"));
        let (ann, bob, puller) = (
            user(&owner, 11, "ann"),
            user(&owner, 111, "bob"),
            role(&owner, 12, "puller"),
        );
        all(
            &store,
            [
                accounts::insert(&owner),
                users::insert(&ann),
                users::insert(&bob),
                roles::insert(&puller),
            ],
        )
        .await;
        for builders in ["builders", "others"] {
            let parts = [
                groups::insert(&group(&owner, builders)),
                groups::add_member(owner.id, builders, "ann"),
                policies::create(&policy(&owner, builders)),
            ];
            all(&store, parts).await;
            for to in [
                to_user("ann"),
                to_user("bob"),
                to_group(builders),
                to_role("puller"),
            ] {
                apply(
                    &store,
                    policies::attach(owner.id, builders, PolicyKind::Own, &to),
                )
                .await
                .unwrap();
            }
        }
        for (instance, namespace) in [(&home, &team), (&other, &away)] {
            fill_instance(&store, instance, namespace, [&ann, &bob]).await;
        }
        for user in [&ann, &bob] {
            apply(
                &store,
                access_keys::insert(&key_of(&format!("AKID{}", user.name), &owner, user))
                    .unchecked(),
            )
            .await
            .unwrap();
        }
        let policy = SessionPolicy {
            account: owner.id,
            digest: "d",
            document: "{}",
            charged_to: &Principal::User(owner.id, ann.id).to_string(),
            ends_at: NOW,
        };
        apply(
            &store,
            session_policies::save(
                &policy,
                Most {
                    of_account: 1,
                    of_one: 1,
                },
                NOW,
            ),
        )
        .await
        .unwrap();
        Self {
            place,
            store,
            keys,
            owner,
            home,
            team,
            ann,
            puller,
        }
    }

    /// Applies a part, and returns how what it deleted and what it announced differ.
    async fn complaints(&self, part: Part, deleted: &Deleted<'_>) -> Vec<String> {
        let before = stored(&self.store).await;
        let announced = announced(&self.store, part)
            .await
            .into_iter()
            .map(|(entity, _)| entity);
        let after = stored(&self.store).await;
        let known: BTreeSet<&str> = announced
            .flat_map(|entity| [&[entity], entity.takes_along()].concat())
            .map(Entity::name)
            .collect();
        let belongs = belonging(&self.keys, &before, deleted);
        let mut complaints = Vec::new();
        for table in tables_below(&self.keys, deleted.table) {
            if !belongs.iter().any(|(of, _)| *of == table) {
                complaints.push(format!(
                    "the test has no row of {table} that belongs to it: add one to `Filled`"
                ));
            }
        }
        for row in &before {
            let (table, belongs, changed) =
                (row.0.as_str(), belongs.contains(&row), !after.contains(row));
            let declared = TABLES
                .iter()
                .find(|declared| declared.name == table)
                .unwrap();
            if belongs && !changed && !STAYS.contains(&table) {
                complaints.push(format!("{table}: a row that belongs to it stays"));
            } else if !belongs && changed {
                complaints.push(format!("{table}: a row goes that doesn't belong to it"));
            } else if changed
                && !declared
                    .announced_as
                    .iter()
                    .any(|entity| known.contains(entity.name()))
            {
                complaints.push(format!(
                    "{table}: a row goes, and nothing tells caches of it"
                ));
            }
        }
        complaints
    }

    fn home(&self) -> Deleted<'_> {
        Deleted {
            table: "instance",
            column: "id",
            value: self.home.id.as_str().into(),
            names: &[],
        }
    }

    fn delete_home(&self) -> Part {
        cascade::delete_instance(self.owner.id, &self.home.id, Contents::GoToo, NOW)
    }

    async fn remove(self) {
        drop(self.store);
        self.place.remove().await;
    }
}

async fn fill_instance(store: &Store, home: &Instance, team: &Namespace, users: [&User; 2]) {
    let key = InstanceKeyRow {
        id: format!("key of {}", home.name),
        instance: home.id.clone(),
        algorithm: Algorithm::Es256,
        wrapped_private: Wrapped::from_bytes(vec![3]),
        state: InstanceKeyState::InUse,
        created_at: NOW,
    };
    let (on_home, on_team) = (Tagged::Instance(&home.id), Tagged::Namespace(team));
    all(
        store,
        [
            instances::insert(home),
            namespaces::insert(team, QUOTA),
            instance_keys::insert(&key).unchecked(),
        ],
    )
    .await;
    let parts = [
        repositories::insert(team, &repository(team, "app"), QUOTA),
        service_accounts::insert(&service_account(home, "robot"), QUOTA),
        allow_lists::add(&home.id, &[allowed("192.0.2.0/24")], QUOTA),
        tags::set(on_home, &[tag("a", "b")]),
        tags::set(on_team, &[tag("a", "b")]),
    ];
    all(store, parts).await;
    for user in users {
        let principal = Principal::User(user.account, user.id);
        let password = PasswordHash::new("$argon2id$EXAMPLE");
        let parts = [
            credentials::insert(&credential_of(home, user), QUOTA),
            fixed_passwords::set(&home.id, &principal, &password, NOW),
        ];
        all(store, parts).await;
    }
}

fn foreign_keys(connection: &rusqlite::Connection) -> Vec<ForeignKey> {
    let mut keys: Vec<(String, i64, ForeignKey)> = Vec::new();
    for table in TABLES {
        let text = format!(
            "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list('{}') ORDER BY \
             id, seq",
            table.name
        );
        let mut statement = connection.prepare(&text).unwrap();
        let mut rows = statement.query(()).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (id, column) = (
                row.get(0).unwrap(),
                (row.get(2).unwrap(), row.get(3).unwrap()),
            );
            match keys.last_mut() {
                Some((of, last, key)) if *of == table.name && *last == id => {
                    key.columns.push(column)
                }
                _ => {
                    let key = ForeignKey {
                        table: table.name.to_owned(),
                        to: row.get(1).unwrap(),
                        columns: vec![column],
                    };
                    keys.push((table.name.to_owned(), id, key));
                }
            }
        }
    }
    keys.into_iter().map(|(_, _, key)| key).collect()
}

/// Reads every row of every table, but those that each write leaves.
async fn stored(store: &Store) -> Vec<Stored> {
    let tables = portable::tables();
    let mut reading = store.read_tables(&tables, Hold::Nothing);
    let mut found = Vec::new();
    for table in &*tables {
        while let Piece::Rows(rows) = reading.next().await.unwrap() {
            let rows = rows
                .iter()
                .map(|row| portable::decode(row.bytes()).unwrap());
            found.extend(rows.map(|row| (table.name.clone(), row)));
        }
    }
    found.retain(|(table, _)| !OF_WRITES.contains(&table.as_str()));
    found
}

fn value<'a>((table, row): &'a Stored, column: &str) -> &'a Value {
    let columns = TABLES
        .iter()
        .find(|declared| declared.name == table)
        .unwrap()
        .columns;
    &row[columns
        .iter()
        .position(|declared| declared.name == column)
        .unwrap()]
}

/// Returns the row that is deleted, the rows that name it, and all that refer to one of these.
fn belonging<'a>(
    keys: &[ForeignKey],
    rows: &'a [Stored],
    deleted: &Deleted<'_>,
) -> Vec<&'a Stored> {
    let is_named = |row: &Stored| {
        row.1.iter().any(|value| {
            deleted
                .names
                .iter()
                .any(|name| *value == Value::from(*name))
        })
    };
    let is_deleted =
        |row: &Stored| row.0 == deleted.table && *value(row, deleted.column) == deleted.value;
    let mut found: Vec<&Stored> = rows
        .iter()
        .filter(|row| is_deleted(row) || is_named(row))
        .collect();
    let mut next = 0;
    while next < found.len() {
        let above = found[next];
        let refers = |row: &&Stored| {
            let mut of_table = keys
                .iter()
                .filter(|key| key.table == row.0 && key.to == above.0);
            of_table.any(|key| {
                key.columns
                    .iter()
                    .all(|(from, to)| value(row, from) == value(above, to))
            })
        };
        let below: Vec<&Stored> = rows
            .iter()
            .filter(refers)
            .filter(|row| !found.contains(row))
            .collect();
        found.extend(below);
        next += 1;
    }
    found
}

/// Returns the tables that refer to one, or to another that does.
fn tables_below(keys: &[ForeignKey], table: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([table.to_owned()]);
    loop {
        let before = found.len();
        let below = keys
            .iter()
            .filter(|key| found.contains(&key.to))
            .map(|key| key.table.clone())
            .collect::<Vec<_>>();
        found.extend(below);
        if found.len() == before {
            return found;
        }
    }
}

#[tokio::test]
async fn a_deleted_instance_takes_all_that_belongs_to_it_and_the_feed_tells() {
    let filled = Filled::new().await;
    assert_eq!(
        filled
            .complaints(filled.delete_home(), &filled.home())
            .await,
        [""; 0]
    );
    filled.remove().await;
}

#[tokio::test]
async fn a_deleted_namespace_takes_all_that_belongs_to_it_and_the_feed_tells() {
    let filled = Filled::new().await;
    // Tags name it by its id, permissions of service accounts by its name.
    let names = [filled.team.id.as_str(), "team"];
    let deleted = Deleted {
        table: "namespace",
        column: "id",
        value: names[0].into(),
        names: &names,
    };
    // In the other instance the name is of nothing yet: its service account keeps the permission.
    apply(
        &filled.store,
        raw(
            "service_account_permission",
            "DELETE FROM service_account_permission WHERE namespace = 'team' AND \
             service_account_id IN \
             (SELECT service_account.id FROM service_account JOIN instance ON instance.id = \
             instance_id WHERE instance.name = 'other')",
        ),
    )
    .await
    .unwrap();
    let part = cascade::delete_namespace(&filled.team, Contents::GoToo);
    assert_eq!(filled.complaints(part, &deleted).await, [""; 0]);
    filled.remove().await;
}

#[tokio::test]
async fn a_deleted_user_takes_all_that_belongs_to_it_and_the_feed_tells() {
    let filled = Filled::new().await;
    let principal = Principal::User(filled.owner.id, filled.ann.id).to_string();
    let deleted = Deleted {
        table: "account_user",
        column: "id",
        value: filled.ann.id.number().into(),
        names: &[&principal],
    };
    let part = cascade::delete_user(filled.owner.id, filled.ann.id);
    assert_eq!(filled.complaints(part, &deleted).await, [""; 0]);
    filled.remove().await;
}

#[tokio::test]
async fn a_deleted_role_takes_all_that_belongs_to_it_and_the_feed_tells() {
    let filled = Filled::new().await;
    let deleted = Deleted {
        table: "role",
        column: "id",
        value: filled.puller.id.number().into(),
        names: &[],
    };
    let part = cascade::delete_role(filled.owner.id, filled.puller.id);
    assert_eq!(filled.complaints(part, &deleted).await, [""; 0]);
    filled.remove().await;
}

#[tokio::test]
async fn a_deleted_group_takes_all_that_belongs_to_it_and_the_feed_tells() {
    let filled = Filled::new().await;
    let deleted = Deleted {
        table: "account_group",
        column: "name",
        value: "builders".into(),
        names: &[],
    };
    let part = cascade::delete_group(filled.owner.id, "builders");
    assert_eq!(filled.complaints(part, &deleted).await, [""; 0]);
    filled.remove().await;
}

#[tokio::test]
async fn a_table_that_a_delete_forgets_is_named() {
    let filled = Filled::new().await;
    let mut part = filled.delete_home();
    part.guarded
        .retain(|guarded| guarded.statement.table != "allow_entry");
    assert_eq!(
        filled.complaints(part, &filled.home()).await,
        ["allow_entry: a row that belongs to it stays"]
    );
    filled.remove().await;
}

#[tokio::test]
async fn a_table_that_the_feed_forgets_is_named() {
    let filled = Filled::new().await;
    let mut part = filled.delete_home();
    part.changes
        .retain(|(entity, _)| *entity != Entity::SigningKey);
    assert_eq!(
        filled.complaints(part, &filled.home()).await,
        ["instance_key: a row goes, and nothing tells caches of it"]
    );
    filled.remove().await;
}

#[tokio::test]
async fn a_table_that_the_test_has_no_row_of_is_named() {
    let filled = Filled::new().await;
    apply(
        &filled.store,
        raw("instance_key", "DELETE FROM instance_key"),
    )
    .await
    .unwrap();
    let complaints = filled
        .complaints(filled.delete_home(), &filled.home())
        .await;
    assert_eq!(
        complaints,
        ["the test has no row of instance_key that belongs to it: add one to `Filled`"]
    );
    filled.remove().await;
}
