//! Policies: their documents, and what they are attached to.

use std::time::Duration;

use super::identities::{
    ADMIN, built_in, group, own, owner_and_other, policy, role, to_group, to_role, to_user, user,
};
use super::*;
use crate::domain::identity::{Policy, Role, Target, User, UserState};
use crate::store::policy::{self as policies, Attachment, PolicyKind};
use crate::store::{account as accounts, group as groups, role as roles, user as users};

on_both_databases! {
    a_policy_needs_its_account_and_a_name_of_its_own_there
    a_policy_is_replaced_by_name
    a_policy_is_not_deleted_while_attached
    attaching_needs_both_ends_and_happens_once
    an_own_and_a_built_in_policy_of_one_name_are_attached_by_the_side_of_each_other
    a_user_has_its_own_documents_and_its_groups_each_once
    a_role_has_its_own_documents
    a_change_of_policies_and_of_groups_shows_in_the_documents_of_a_user
    an_own_document_that_is_missing_is_never_taken_for_a_built_in_one
}

async fn a_policy_needs_its_account_and_a_name_of_its_own_there(place: &Place) {
    let store = place.store().await;
    let push = policy(&account(1), "push");
    assert_eq!(
        refusal(&store, policies::create(&push)).await,
        not_found(Noun::Account, "1")
    );
    let (owner, other) = owner_and_other(&store).await;
    assert_eq!(
        announced(&store, policies::create(&push)).await,
        [entry(Entity::Policies, "1")]
    );
    let parts = [
        policies::create(&policy(&owner, "pull")),
        policies::create(&policy(&other, "push")),
    ];
    all(&store, parts).await;
    let taken =
        "Account 1 has a policy named push already; choose another name, or update it.".to_owned();
    assert_eq!(
        refusal(&store, policies::create(&push)).await,
        (ErrorKind::AlreadyExists { noun: Noun::Policy }, taken)
    );
    assert_eq!(
        policies::find(&store, owner.id, "push")
            .await
            .unwrap()
            .as_ref(),
        Some(&push)
    );
    assert_eq!(
        policies::find(&store, other.id, "pull").await.unwrap(),
        None
    );
}

/// A store with two policies of the first account, and one of the second that has the same name.
struct Policies {
    store: Store,
    owner: Account,
    other: Account,
    pull: Policy,
    push: Policy,
}

async fn pull_and_push(place: &Place) -> Policies {
    let store = place.store().await;
    let (owner, other) = owner_and_other(&store).await;
    let (pull, push) = (policy(&owner, "pull"), policy(&owner, "push"));
    let parts = [&pull, &push, &policy(&other, "push")].map(policies::create);
    all(&store, parts).await;
    Policies {
        store,
        owner,
        other,
        pull,
        push,
    }
}

async fn a_policy_is_replaced_by_name(place: &Place) {
    let Policies {
        store,
        owner,
        other,
        pull,
        push,
    } = pull_and_push(place).await;
    let changed = Policy {
        document: "{}".to_owned(),
        changed_at: NOW.plus(Duration::from_secs(1)),
        ..push
    };
    assert_eq!(
        announced(&store, policies::update(&changed)).await,
        [entry(Entity::Policies, "1")]
    );
    assert_eq!(
        refusal(&store, policies::update(&policy(&owner, "none"))).await,
        not_found(Noun::Policy, "none")
    );
    assert_eq!(
        policies::list(&store, owner.id).await.unwrap(),
        [pull.clone(), changed]
    );
    assert_eq!(
        policies::list(&store, other.id).await.unwrap(),
        [policy(&other, "push")]
    );
}

async fn a_policy_is_not_deleted_while_attached(place: &Place) {
    let Policies {
        store,
        owner,
        other,
        pull,
        ..
    } = pull_and_push(place).await;
    let policies_of_1 = [entry(Entity::Policies, "1")];
    apply(&store, groups::insert(&group(&owner, "builders")))
        .await
        .unwrap();
    apply(
        &store,
        policies::attach(owner.id, "push", PolicyKind::Own, &to_group("builders")),
    )
    .await
    .unwrap();
    let attached =
        "The policy push is attached to a user, a group or a role; detach it first.".to_owned();
    assert_eq!(
        refusal(&store, policies::delete(owner.id, "push")).await,
        (ErrorKind::Unsupported, attached)
    );
    // The other account's of that name is attached to nothing.
    assert_eq!(
        announced(&store, policies::delete(other.id, "push")).await,
        [entry(Entity::Policies, "2")]
    );
    let detached = announced(
        &store,
        policies::detach(owner.id, "push", PolicyKind::Own, &to_group("builders")),
    )
    .await;
    assert_eq!(detached, policies_of_1);
    assert_eq!(
        announced(&store, policies::delete(owner.id, "push")).await,
        policies_of_1
    );
    assert_eq!(
        refusal(&store, policies::delete(owner.id, "push")).await,
        not_found(Noun::Policy, "push")
    );
    assert_eq!(policies::list(&store, owner.id).await.unwrap(), [pull]);
}

/// A store in which both accounts have a user, a group and a role, and the first has a policy.
async fn possible_targets(place: &Place) -> (Store, Account, Account) {
    let store = place.store().await;
    let (owner, other) = owner_and_other(&store).await;
    let parts = [
        users::insert(&user(&owner, 11, "one")),
        groups::insert(&group(&owner, "one")),
        roles::insert(&role(&owner, 12, "one")),
        users::insert(&user(&other, 13, "two")),
        groups::insert(&group(&other, "two")),
        roles::insert(&role(&other, 14, "two")),
        policies::create(&policy(&owner, "pull")),
    ];
    all(&store, parts).await;
    (store, owner, other)
}

fn targets() -> [Target; 3] {
    [to_user("one"), to_group("one"), to_role("one")]
}

async fn attaching_needs_both_ends_and_happens_once(place: &Place) {
    let (store, owner, _) = possible_targets(place).await;
    for (target, missing, noun) in [
        (to_user("one"), to_user("two"), Noun::User),
        (to_group("one"), to_group("two"), Noun::Group),
        (to_role("one"), to_role("two"), Noun::Role),
    ] {
        for change in [policies::attach, policies::detach] {
            assert_eq!(
                refusal(&store, change(owner.id, "pull", PolicyKind::Own, &missing)).await,
                not_found(noun, "two")
            );
        }
        let attach = || policies::attach(owner.id, "pull", PolicyKind::Own, &target);
        assert_eq!(
            announced(&store, attach()).await,
            [entry(Entity::Policies, "1")]
        );
        let twice = format!("The policy pull is attached to {noun} one already.");
        assert_eq!(
            refusal(&store, attach()).await,
            (
                ErrorKind::AlreadyExists {
                    noun: Noun::Attachment
                },
                twice
            )
        );
        let none = policies::attach(owner.id, "push", PolicyKind::Own, &target);
        assert_eq!(refusal(&store, none).await, not_found(Noun::Policy, "push"));
        let none = policies::detach(owner.id, "push", PolicyKind::Own, &target);
        assert_eq!(
            refusal(&store, none).await,
            not_found(Noun::Attachment, &format!("of policy push to {noun} one"))
        );
    }
}

async fn an_own_and_a_built_in_policy_of_one_name_are_attached_by_the_side_of_each_other(
    place: &Place,
) {
    let (store, owner, other) = possible_targets(place).await;
    // A built-in policy has no row, and may have an own one's name.
    for kind in [PolicyKind::Own, PolicyKind::BuiltIn] {
        let attach = |target: &Target| policies::attach(owner.id, "pull", kind, target);
        all(&store, targets().iter().map(attach)).await;
    }
    let attached = |kind, target| Attachment {
        policy: "pull".to_owned(),
        kind,
        target,
    };
    let listed = policies::attachments(&store, owner.id).await.unwrap();
    assert_eq!(listed.len(), 6);
    for kind in [PolicyKind::Own, PolicyKind::BuiltIn] {
        for target in targets() {
            assert!(listed.contains(&attached(kind, target)));
        }
    }
    assert_eq!(policies::attachments(&store, other.id).await.unwrap(), []);

    for target in targets() {
        apply(
            &store,
            policies::detach(owner.id, "pull", PolicyKind::BuiltIn, &target),
        )
        .await
        .unwrap();
        let listed = policies::attachments(&store, owner.id).await.unwrap();
        assert!(listed.contains(&attached(PolicyKind::Own, target.clone())));
        assert!(!listed.contains(&attached(PolicyKind::BuiltIn, target)));
    }
}

/// A store in which users and a role have documents in all the ways there are.
struct Documents {
    store: Store,
    owner: Account,
    ann: User,
    bob: User,
    eve: User,
    puller: Role,
    a: Policy,
    b: Policy,
    c: Policy,
    foreign: Policy,
}

async fn documents(place: &Place) -> Documents {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let (ann, bob, puller) = (
        user(&owner, 11, "ann"),
        user(&owner, 12, "bob"),
        role(&owner, 13, "puller"),
    );
    let (a, b, c) = (
        policy(&owner, "a"),
        policy(&owner, "b"),
        policy(&owner, "c"),
    );
    let eve = user(&other, 14, "eve");
    let foreign = Policy {
        document: "of another account".to_owned(),
        ..policy(&other, "a")
    };
    let parts = [
        accounts::insert(&owner),
        accounts::insert(&other),
        users::insert(&ann),
        users::insert(&bob),
        users::insert(&eve),
        roles::insert(&puller),
        groups::insert(&group(&owner, "one")),
        groups::insert(&group(&owner, "two")),
        groups::insert(&group(&other, "one")),
        policies::create(&a),
        policies::create(&b),
        policies::create(&c),
        policies::create(&foreign),
        groups::add_member(owner.id, "one", "ann"),
        groups::add_member(owner.id, "two", "ann"),
        groups::add_member(owner.id, "two", "bob"),
        groups::add_member(other.id, "one", "eve"),
        policies::attach(owner.id, "a", PolicyKind::Own, &to_user("ann")),
        policies::attach(owner.id, "a", PolicyKind::Own, &to_group("one")),
        policies::attach(owner.id, "b", PolicyKind::Own, &to_group("one")),
        policies::attach(owner.id, "b", PolicyKind::Own, &to_group("two")),
        policies::attach(owner.id, ADMIN, PolicyKind::BuiltIn, &to_group("two")),
        policies::attach(owner.id, ADMIN, PolicyKind::BuiltIn, &to_role("puller")),
        policies::attach(owner.id, "c", PolicyKind::Own, &to_role("puller")),
        policies::attach(other.id, "a", PolicyKind::Own, &to_group("one")),
    ];
    all(&store, parts).await;
    Documents {
        store,
        owner,
        ann,
        bob,
        eve,
        puller,
        a,
        b,
        c,
        foreign,
    }
}

impl Documents {
    async fn of(&self, user: &User) -> Vec<(String, Option<String>)> {
        policies::documents_of_user(&self.store, user.id)
            .await
            .unwrap()
    }
}

async fn a_user_has_its_own_documents_and_its_groups_each_once(place: &Place) {
    let of = documents(place).await;
    assert_eq!(
        of.of(&of.ann).await,
        [built_in(ADMIN), own(&of.a), own(&of.b)]
    );
    assert_eq!(of.of(&of.bob).await, [built_in(ADMIN), own(&of.b)]);
    assert_eq!(of.of(&of.eve).await, [own(&of.foreign)]);
}

async fn a_role_has_its_own_documents(place: &Place) {
    let Documents {
        store, puller, c, ..
    } = documents(place).await;
    assert_eq!(
        policies::documents_of_role(&store, puller.id)
            .await
            .unwrap(),
        [built_in(ADMIN), own(&c)]
    );
}

async fn a_change_of_policies_and_of_groups_shows_in_the_documents_of_a_user(place: &Place) {
    let given = documents(place).await;
    let (store, owner, ann) = (&given.store, given.owner.id, &given.ann);
    let changed = Policy {
        document: "changed".to_owned(),
        ..given.b.clone()
    };
    let parts = [
        policies::update(&changed),
        groups::remove_member(owner, "two", "ann"),
    ];
    all(store, parts).await;
    assert_eq!(given.of(ann).await, [own(&given.a), own(&changed)]);
    all(store, [cascade::delete_group(owner, "one")]).await;
    assert_eq!(given.of(ann).await, [own(&given.a)]);
    assert_eq!(given.of(&given.eve).await, [own(&given.foreign)]);
    // Disabling takes nothing away: whether the user may act is asked first.
    all(store, [users::set_state(ann.id, UserState::Disabled)]).await;
    assert_eq!(given.of(ann).await, [own(&given.a)]);
}

async fn an_own_document_that_is_missing_is_never_taken_for_a_built_in_one(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let ann = user(&owner, 11, "ann");
    let parts = [
        accounts::insert(&owner),
        users::insert(&ann),
        policies::create(&policy(&owner, ADMIN)),
        policies::attach(owner.id, ADMIN, PolicyKind::Own, &to_user("ann")),
        raw("", "DELETE FROM policy"),
    ];
    all(&store, parts).await;
    let cause = policies::documents_of_user(&store, ann.id)
        .await
        .unwrap_err()
        .cause()
        .unwrap();
    assert_eq!(
        cause,
        format!("table policy_attachment, column document, id {ADMIN:?}: there is no value")
    );
    apply(
        &store,
        raw("", "UPDATE policy_attachment SET policy_kind = 'odd'"),
    )
    .await
    .unwrap();
    for error in [
        policies::documents_of_user(&store, ann.id)
            .await
            .unwrap_err(),
        policies::attachments(&store, owner.id).await.unwrap_err(),
    ] {
        assert!(
            error.cause().unwrap().contains("column policy_kind"),
            "{error:?}"
        );
    }
}
