//! Last uses: the latest hour stays, lists show it, and it goes with the thing.

use super::identities::{credential_of, key_of, owner_and_other, user};
use super::log_ins::service_account;
use super::registry::later;
use super::*;
use crate::domain::credential::PasswordHash;
use crate::domain::ids::UserId;
use crate::domain::last_use::{LastUse, UsedKind, hour_of};
use crate::store::page::Page;
use crate::store::{
    access_key as access_keys, cascade, credential as credentials,
    fixed_password as fixed_passwords, instance as instances, last_use, meta,
    service_account as service_accounts, user as users,
};

on_both_databases! {
    the_latest_hour_stays_whoever_writes_last
    lists_show_the_last_use_of_each_kind
    the_uses_of_what_is_gone_go_at_the_next_sweep
    another_fixed_password_has_no_use_of_the_one_before
    the_time_since_when_uses_are_recorded_is_noted_once
}

const HOUR: u64 = 3600;

fn used(kind: UsedKind, id: &str, hours: u64) -> LastUse {
    LastUse {
        kind,
        id: id.to_owned(),
        at: hour_of(later(HOUR * hours)),
    }
}

/// The things that are used: a user's key, credential and password, and a service account.
struct Things {
    store: Store,
    home: Instance,
    ann: Principal,
    credential: LongTermCredential,
    robot: String,
}

impl Things {
    async fn new(place: &Place) -> Self {
        let store = place.store().await;
        let (owner, _) = owner_and_other(&store).await;
        let (home, ann) = (super::instance(&owner, "home"), user(&owner, 11, "ann"));
        let (credential, robot) = (credential_of(&home, &ann), service_account(&home, "robot"));
        let principal = Principal::User(owner.id, ann.id);
        let hash = PasswordHash::new("$argon2id$EXAMPLE$one");
        let parts = [
            users::insert(&ann),
            instances::insert(&home),
            access_keys::insert(&key_of("AKIDann", &owner, &ann)).unchecked(),
            credentials::insert(&credential, QUOTA),
            service_accounts::insert(&robot, QUOTA),
            fixed_passwords::set(&home.id, &principal, &hash, NOW),
        ];
        all(&store, parts).await;
        Self {
            store,
            home,
            ann: principal,
            credential,
            robot: robot.id.to_string(),
        }
    }

    fn password_id(&self) -> String {
        fixed_passwords::thing_id(&self.home.id, &self.ann)
    }

    /// Notes a use of each kind, one hour after the other.
    async fn use_all(&self) {
        let uses = [
            used(UsedKind::AccessKey, "AKIDann", 1),
            used(UsedKind::Credential, self.credential.id.as_str(), 2),
            used(UsedKind::FixedPassword, &self.password_id(), 3),
            used(UsedKind::ServiceAccount, &self.robot, 4),
        ];
        apply(&self.store, last_use::note(&uses)).await.unwrap();
    }

    async fn listed(&self) -> [Option<Timestamp>; 4] {
        let (store, home) = (&self.store, &self.home.id);
        let keys = access_keys::list(store, Some(self.home.account)).await;
        let made = credentials::list_page(store, home, Page::ALL).await;
        let passwords = fixed_passwords::list(store, home).await;
        let robots = service_accounts::list(store, home, None, Page::ALL).await;
        [
            keys.unwrap()[0].last_used_at,
            made.unwrap().items[0].last_used_at,
            passwords.unwrap()[0].last_used_at,
            robots.unwrap().items[0].last_used_at,
        ]
    }

    async fn rows(&self) -> i64 {
        super::count(&self.store, "SELECT COUNT(*) AS count FROM last_use").await
    }
}

async fn the_latest_hour_stays_whoever_writes_last(place: &Place) {
    let things = Things::new(place).await;
    for hours in [2, 5, 3] {
        let uses = [used(UsedKind::AccessKey, "AKIDann", hours)];
        apply(&things.store, last_use::note(&uses)).await.unwrap();
    }
    let found = access_keys::find(&things.store, "AKIDann").await.unwrap();
    let at = found.unwrap().last_used_at;
    assert_eq!(at, Some(hour_of(later(HOUR * 5))));
}

async fn lists_show_the_last_use_of_each_kind(place: &Place) {
    let things = Things::new(place).await;
    assert_eq!(things.listed().await, [None; 4]);
    things.use_all().await;
    let hours = [1, 2, 3, 4].map(|hours| Some(hour_of(later(HOUR * hours))));
    assert_eq!(things.listed().await, hours);
}

async fn the_uses_of_what_is_gone_go_at_the_next_sweep(place: &Place) {
    let things = Things::new(place).await;
    things.use_all().await;
    apply(&things.store, last_use::sweep()).await.unwrap();
    assert_eq!(things.rows().await, 4, "all of it is there");
    let robot = service_accounts::find(&things.store, &things.home.id, "robot").await;
    let deletes = [
        service_accounts::delete(&robot.unwrap().unwrap()),
        cascade::delete_user(things.home.account, UserId::new(11).unwrap()),
    ];
    all(&things.store, deletes).await;
    apply(&things.store, last_use::sweep()).await.unwrap();
    assert_eq!(things.rows().await, 0);
}

async fn another_fixed_password_has_no_use_of_the_one_before(place: &Place) {
    let things = Things::new(place).await;
    things.use_all().await;
    let hash = PasswordHash::new("$argon2id$EXAMPLE$two");
    let set = fixed_passwords::set(&things.home.id, &things.ann, &hash, later(1));
    apply(&things.store, set).await.unwrap();
    assert_eq!(things.listed().await[2], None);
}

async fn the_time_since_when_uses_are_recorded_is_noted_once(place: &Place) {
    let store = place.store().await;
    for at in [NOW, later(HOUR)] {
        apply(&store, meta::note_uses_recorded(at)).await.unwrap();
    }
    let since = meta::uses_recorded_since(&store).await.unwrap();
    assert_eq!(since, Some(NOW));
}
